"""Copies of folders that share their large model files."""

import os
import shutil


def copy_folder(source, target):
    """Copy a folder with hard links to its weights, which are only replaced, never modified."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link_weights)


def _link_weights(source, target):
    if str(source).endswith(".safetensors"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
