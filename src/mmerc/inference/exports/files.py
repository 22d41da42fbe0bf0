"""All files of an analysis that other tools open."""

from __future__ import annotations

from pathlib import Path

from mmerc.files import write_text
from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.captions import as_webvtt
from mmerc.inference.exports.elan import as_eaf
from mmerc.inference.exports.praat import as_textgrid
from mmerc.inference.formats import render


def write_exports(analysis: Analysis, directory: Path, stem: str) -> list[Path]:
    """Write STEM.jsonl, .csv, .vtt, .eaf and .TextGrid, each whole or not at all.

    Utterances without times are in the first two alone; the others say how many these are.
    InputError where a file cannot be written.
    """
    texts = {
        "jsonl": render(analysis.predictions, "jsonl"),
        "csv": render(analysis.predictions, "csv"),
        "vtt": as_webvtt(analysis),
        "eaf": as_eaf(analysis),
        "TextGrid": as_textgrid(analysis),
    }
    paths = [directory / f"{stem}.{ending}" for ending in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        # JSON can hold half a character (a lone surrogate), UTF-8 cannot.
        write_text(path, text.encode("utf-8", "replace").decode("utf-8"))
    return paths
