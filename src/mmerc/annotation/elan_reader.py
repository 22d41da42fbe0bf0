"""Read ELAN's annotation files (EAF)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mmerc.annotation.tier_files import AnnotationTier, Interval, TierFile
from mmerc.errors import InputError
from mmerc.media.text_files import read_small_text

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_FIX = "open it in ELAN and save it again"


def read_eaf(path: Path) -> TierFile:
    """Read all tiers of an EAF; its media may be missing.

    A dependent annotation has its parent's time, or an equal part of it if a tier has several on
    the same parent. Slots without a time are spaced evenly between their neighbours. InputError if
    it is not an EAF, or has a document type declaration (entities could read other files or exhaust
    memory).
    """
    root = _parse(path)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise InputError(path, f"not an EAF: its root is <{root.tag}>", _FIX)
    times = _read_times(root, path)
    spans = _annotation_spans(root, times, path)
    tiers = tuple(_read_tier(tier, spans) for tier in root.iter("TIER"))
    return TierFile(
        path=path,
        tiers=tiers,
        media=tuple(dict.fromkeys(_media_names(root))),
        strategy=root.findtext("HEADER/PROPERTY[@NAME='strategy']", ""),
    )


def _parse(path: Path) -> Element:
    """Build the tree of an XML file without a document type declaration."""
    text = _DECLARATION.sub("", read_small_text(path), count=1)
    builder = TreeBuilder()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: object) -> None:
        problem = "has a document type declaration, which no EAF needs"
        raise InputError(path, problem, "remove it, or " + _FIX)

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
        return builder.close()
    except expat.ExpatError as error:
        problem = f"not an EAF (line {error.lineno}: {expat.ErrorString(error.code)})"
        raise InputError(path, problem, _FIX) from error


def _read_times(root: Element, path: Path) -> dict[str, float]:
    """Read the time of each slot in seconds."""
    slots = [
        (slot.get("TIME_SLOT_ID", ""), slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")
    ]
    try:
        values = [None if value is None else int(value) / 1000 for _, value in slots]
    except ValueError as error:
        raise InputError(path, "a time slot is not a number of milliseconds", _FIX) from error
    return dict(zip((name for name, _ in slots), _fill_times(values), strict=True))


def _fill_times(values: list[float | None]) -> Iterator[float]:
    """Interpolate missing values evenly between their neighbours."""
    for place, value in enumerate(values):
        if value is not None:
            yield value
            continue
        before = next((i for i in range(place - 1, -1, -1) if values[i] is not None), None)
        after = next((i for i in range(place + 1, len(values)) if values[i] is not None), None)
        low = 0.0 if before is None else values[before] or 0.0
        high = low if after is None else values[after] or low
        first, last = -1 if before is None else before, len(values) if after is None else after
        yield low + (high - low) * (place - first) / (last - first)


def _annotation_spans(
    root: Element, times: Mapping[str, float], path: Path
) -> dict[str, tuple[float, float]]:
    """Return start and end of each annotation by id, including dependent ones."""
    spans: dict[str, tuple[float, float]] = {}
    parents: dict[str, tuple[str, int, int]] = {}
    for item in root.iter("ALIGNABLE_ANNOTATION"):
        slots = (item.get("TIME_SLOT_REF1", ""), item.get("TIME_SLOT_REF2", ""))
        if not all(slot in times for slot in slots):
            raise InputError(path, f"annotation {item.get('ANNOTATION_ID')!r} has no time", _FIX)
        spans[item.get("ANNOTATION_ID", "")] = (times[slots[0]], times[slots[1]])
    for tier in root.iter("TIER"):
        parents |= _read_parts(tier)
    for name in parents:
        chain = [name]
        while chain[-1] in parents and chain[-1] not in spans and len(chain) <= len(parents):
            chain.append(parents[chain[-1]][0])
        if chain[-1] not in spans:
            raise InputError(path, f"annotation {name!r} refers to no annotation with a time", _FIX)
        for one in reversed(chain[:-1]):
            parent, part, count = parents[one]
            start, end = spans[parent]
            width = (end - start) / count
            spans[one] = (start + part * width, start + (part + 1) * width)
    return spans


def _read_parts(tier: Element) -> dict[str, tuple[str, int, int]]:
    """Return for each dependent annotation: parent id, index, and number of parts.

    ELAN orders the parts by ``PREVIOUS_ANNOTATION``.
    """
    siblings: dict[str, list[Element]] = {}
    for item in tier.iter("REF_ANNOTATION"):
        siblings.setdefault(item.get("ANNOTATION_REF", ""), []).append(item)
    parts: dict[str, tuple[str, int, int]] = {}
    for parent, items in siblings.items():
        following = {item.get("PREVIOUS_ANNOTATION", ""): item for item in items}
        order: list[str] = []
        name = ""
        while name in following and len(order) < len(items):
            name = following[name].get("ANNOTATION_ID", "")
            order.append(name)
        names = [item.get("ANNOTATION_ID", "") for item in items]
        order = order if sorted(order) == sorted(names) else names
        parts |= {name: (parent, place, len(order)) for place, name in enumerate(order)}
    return parts


def _read_tier(tier: Element, spans: Mapping[str, tuple[float, float]]) -> AnnotationTier:
    """Read a tier, with its annotations in order of time."""
    intervals = []
    for annotation in tier.iter("ANNOTATION"):
        for item in annotation:
            start, end = spans[item.get("ANNOTATION_ID", "")]
            text = (item.findtext("ANNOTATION_VALUE") or "").strip()
            intervals.append(Interval(start=start, end=end, text=text))
    return AnnotationTier(
        name=tier.get("TIER_ID", ""),
        kind=tier.get("LINGUISTIC_TYPE_REF", ""),
        participant=tier.get("PARTICIPANT", ""),
        annotator=tier.get("ANNOTATOR", ""),
        intervals=tuple(sorted(intervals, key=lambda item: (item.start, item.end))),
    )


def _media_names(root: Element) -> Iterator[str]:
    """Return the names of the media files without folders; only pympi escapes them."""
    for media in root.iter("MEDIA_DESCRIPTOR"):
        url = media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or ""
        name = url.replace("\\", "/").rpartition("/")[2]
        if name:
            yield name
            if unquote(name) != name:
                yield unquote(name)
