"""Export words and emotions for ELAN: EAF."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import (
    Tier,
    TimedUtterance,
    build_tiers,
    describe,
    has_doubts,
    printable,
)
from mmerc.labels import LabelSet

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_LANGUAGE = {
    "LANG_ID": "und",
    "LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001",
    "LANG_LABEL": "undetermined (und)",
}
_ASSOCIATION = "Symbolic_Association"
_TEXT_KINDS = ("set", "doubt")


def as_eaf(analysis: Analysis) -> str:
    """Write ``words@NAME`` per speaker, with ``emotion@NAME`` and ``probability@NAME`` below it.

    Prediction sets, if any, are in ``set@NAME``, reasons for doubtful labels in ``doubt@NAME``.

    If utterances of a speaker overlap, the later one is in ``NAME (2)``: ELAN allows no overlap in
    a tier. The property ``about`` gives the number of omitted utterances without times. EAF has no
    colours; they belong to ELAN's preferences. Source: EAF 3.0 (Max Planck Institute for
    Psycholinguistics, the schema's order of elements).
    """
    tiers = build_tiers(analysis)
    elements = [item for tier in tiers for item in _build_tier_elements(tier, analysis.labels)]
    first = 3 * len(analysis.predictions) + 1  # annotations of words and emotions precede
    if analysis.set_level is not None:
        elements += [_build_text_tier("set", tier, first, _read_set) for tier in tiers]
        first += len(analysis.predictions)
    if has_doubts(tiers):
        elements += [_build_text_tier("doubt", tier, first, _read_doubt) for tier in tiers]
    return _format_document(analysis, tiers, elements, {"about": describe(analysis)})


def as_blank_eaf(analysis: Analysis, ids: Collection[str], *, strategy: str) -> str:
    """Write the words of all utterances, and an empty emotion to fill in for those in ``ids``.

    No predictions are included. The property ``strategy`` says how ``ids`` were drawn.
    """
    tiers = build_tiers(analysis)
    elements = [item for tier in tiers for item in _build_blank_tiers(tier, ids)]
    about = "utterances to label: fill in the annotations of the tiers emotion@NAME"
    return _format_document(analysis, tiers, elements, {"about": about, "strategy": strategy})


def _format_document(
    analysis: Analysis,
    tiers: Sequence[Tier],
    elements: Sequence[Element],
    properties: Mapping[str, str],
) -> str:
    """Build an EAF document from finished tiers."""
    root = Element(
        "ANNOTATION_DOCUMENT",
        {"AUTHOR": f"mmerc, {printable(analysis.model)}", "VERSION": "3.0", "FORMAT": "3.0"}
        | {"DATE": datetime.now(UTC).isoformat(timespec="seconds")}
        | {"xmlns:xsi": _INSTANCE, "xsi:noNamespaceSchemaLocation": _SCHEMA},
    )
    root.append(_build_header(analysis, properties))
    root.append(_build_time_order(tiers))
    root.extend(elements)
    kinds = {item.get("LINGUISTIC_TYPE_REF") for item in elements}
    root.extend(_build_types([kind for kind in _TEXT_KINDS if kind in kinds]))
    root.append(_build_vocabulary(analysis.labels))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _build_header(analysis: Analysis, properties: Mapping[str, str]) -> Element:
    """Build the header with the recording, which ELAN looks for next to the file."""
    header = Element("HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    name = printable(analysis.recording)
    media_type = mimetypes.guess_type(name)[0] or "unknown"
    # ELAN writes and reads names unchanged, without %-escapes.
    urls = {"MEDIA_URL": f"file:///./{name}", "RELATIVE_MEDIA_URL": f"./{name}"}
    SubElement(header, "MEDIA_DESCRIPTOR", urls | {"MIME_TYPE": media_type})
    for key, text in properties.items():
        SubElement(header, "PROPERTY", NAME=key).text = text
    return header


def _build_time_order(tiers: Sequence[Tier]) -> Element:
    """Build two time slots per utterance, in order of time."""
    order = Element("TIME_ORDER")
    slots = [
        (time, f"ts{2 * item.position + offset}")
        for tier in tiers
        for item in tier.utterances
        for offset, time in enumerate((item.start, item.end), start=1)
    ]
    for time, name in sorted(slots):
        SubElement(order, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(time))
    return order


def _build_tier_elements(tier: Tier, labels: LabelSet) -> tuple[Element, ...]:
    """Build the time-aligned tier of words and its dependent tiers."""
    words = _build_words(tier)
    emotion = _build_tier_element("emotion", tier, PARENT_REF=f"words@{tier.name}")
    probability = _build_tier_element("probability", tier, PARENT_REF=f"words@{tier.name}")
    for item in tier.utterances:
        prediction, number = item.prediction, item.position
        parent = {"ANNOTATION_REF": f"a{3 * number + 1}"}
        entry = {"CVE_REF": f"cve{labels.index(prediction.label)}"}
        emotion.append(
            _build_annotation("REF", 3 * number + 2, prediction.label, **parent, **entry)
        )
        value = f"{item.probability:.2f}"
        probability.append(_build_annotation("REF", 3 * number + 3, value, **parent))
    return words, emotion, probability


def _build_text_tier(
    kind: str, tier: Tier, first: int, read: Callable[[TimedUtterance], str | None]
) -> Element:
    """Build a tier of texts such as prediction sets; None gives no annotation.

    Annotations are numbered from ``first``.
    """
    texts = _build_tier_element(kind, tier, PARENT_REF=f"words@{tier.name}")
    for item in tier.utterances:
        text = read(item)
        if text is not None:
            parent = {"ANNOTATION_REF": f"a{3 * item.position + 1}"}
            texts.append(_build_annotation("REF", first + item.position, text, **parent))
    return texts


def _read_set(item: TimedUtterance) -> str:
    return item.emotions or ""


def _read_doubt(item: TimedUtterance) -> str | None:
    return item.doubt


def _build_blank_tiers(tier: Tier, ids: Collection[str]) -> tuple[Element, Element]:
    """Build the tier of words, and a tier with empty emotions for the chosen utterances."""
    emotion = _build_tier_element("emotion", tier, PARENT_REF=f"words@{tier.name}")
    for item in tier.utterances:
        if item.prediction.id in ids:
            parent = {"ANNOTATION_REF": f"a{3 * item.position + 1}"}
            emotion.append(_build_annotation("REF", 3 * item.position + 2, "", **parent))
    return _build_words(tier), emotion


def _build_words(tier: Tier) -> Element:
    """Build the time-aligned tier of words."""
    words = _build_tier_element("words", tier)
    for item in tier.utterances:
        number = item.position
        slots = {"TIME_SLOT_REF1": f"ts{2 * number + 1}", "TIME_SLOT_REF2": f"ts{2 * number + 2}"}
        words.append(_build_annotation("ALIGNABLE", 3 * number + 1, item.prediction.text, **slots))
    return words


def _build_tier_element(kind: str, tier: Tier, **parent: str) -> Element:
    """Build an empty tier; its linguistic type is named after its kind."""
    names = {"TIER_ID": f"{kind}@{tier.name}", "LINGUISTIC_TYPE_REF": kind}
    return Element("TIER", names | {"PARTICIPANT": printable(tier.speaker)} | parent)


def _build_annotation(kind: str, number: int, value: str, **references: str) -> Element:
    """Build an annotation, time-aligned (ALIGNABLE) or on another annotation (REF)."""
    annotation = Element("ANNOTATION")
    attributes = {"ANNOTATION_ID": f"a{number}"} | references
    inner = SubElement(annotation, f"{kind}_ANNOTATION", attributes)
    SubElement(inner, "ANNOTATION_VALUE").text = printable(value)
    return annotation


def _build_types(texts: Sequence[str]) -> Iterator[Element]:
    """Build the linguistic types: words are time-aligned, other tiers refer to words.

    ``texts``: the kinds of optional tiers in this file.
    """
    yield Element("LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID="words", TIME_ALIGNABLE="true")
    dependent = {"CONSTRAINTS": _ASSOCIATION, "TIME_ALIGNABLE": "false"}
    listed = {"CONTROLLED_VOCABULARY_REF": "emotions"}
    yield Element("LINGUISTIC_TYPE", {"LINGUISTIC_TYPE_ID": "emotion"} | dependent | listed)
    yield Element("LINGUISTIC_TYPE", {"LINGUISTIC_TYPE_ID": "probability"} | dependent)
    for kind in texts:
        yield Element("LINGUISTIC_TYPE", {"LINGUISTIC_TYPE_ID": kind} | dependent)
    yield Element("LANGUAGE", _LANGUAGE)
    description = "1-1 association with a parent annotation"
    yield Element("CONSTRAINT", STEREOTYPE=_ASSOCIATION, DESCRIPTION=description)


def _build_vocabulary(labels: LabelSet) -> Element:
    """Build the label set as a controlled vocabulary, which ELAN offers as choices."""
    language = {"LANG_REF": _LANGUAGE["LANG_ID"]}
    vocabulary = Element("CONTROLLED_VOCABULARY", CV_ID="emotions")
    SubElement(vocabulary, "DESCRIPTION", language).text = f"label set {printable(labels.name)}"
    for number, name in enumerate(labels):
        entry = SubElement(vocabulary, "CV_ENTRY_ML", CVE_ID=f"cve{number}")
        SubElement(entry, "CVE_VALUE", language).text = printable(name)
    return vocabulary
