"""Copies of folders that share their large model files."""

import os
import shutil


def copy_folder(source, target):
    """Copy a folder; the weights in it get another name, as they are replaced, never changed."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link_weights)


def _link_weights(source, target):
    if str(source).endswith(".safetensors"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
