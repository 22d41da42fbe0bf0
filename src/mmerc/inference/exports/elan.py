"""Emotions beside the words as ELAN shows them: EAF."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import Tier, about, printable, tiers
from mmerc.labels import LabelSet

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
LANGUAGE = {
    "LANG_ID": "und",
    "LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001",
    "LANG_LABEL": "undetermined (und)",
}
ASSOCIATION = "Symbolic_Association"


def as_eaf(analysis: Analysis) -> str:
    """A tier ``words@NAME`` a speaker, with ``emotion@NAME`` and ``probability@NAME`` below it.

    Where utterances of a speaker overlap, ``NAME (2)`` has the later one: ELAN allows no overlap in
    a tier. The property ``about`` says how many utterances have no times and are left out. ELAN
    keeps colours in its own preferences; EAF has no place for them. Source: EAF 3.0 (Max Planck
    Institute for Psycholinguistics, the schema's order of elements).
    """
    dealt = tiers(analysis)
    root = Element(
        "ANNOTATION_DOCUMENT",
        {"AUTHOR": f"mmerc, {printable(analysis.model)}", "VERSION": "3.0", "FORMAT": "3.0"}
        | {"DATE": datetime.now(UTC).isoformat(timespec="seconds")}
        | {"xmlns:xsi": INSTANCE, "xsi:noNamespaceSchemaLocation": SCHEMA},
    )
    root.append(header(analysis))
    root.append(time_order(dealt))
    for tier in dealt:
        root.extend(tier_elements(tier, analysis.labels))
    root.extend(types())
    root.append(vocabulary(analysis.labels))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def header(analysis: Analysis) -> Element:
    """Which recording this is about; ELAN looks for it beside the file."""
    made = Element("HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    name = printable(analysis.recording)
    kind = mimetypes.guess_type(name)[0] or "unknown"
    # ELAN writes and reads names as they are, without %-escapes.
    place = {"MEDIA_URL": f"file:///./{name}", "RELATIVE_MEDIA_URL": f"./{name}"}
    SubElement(made, "MEDIA_DESCRIPTOR", place | {"MIME_TYPE": kind})
    SubElement(made, "PROPERTY", NAME="about").text = about(analysis)
    return made


def time_order(dealt: list[Tier]) -> Element:
    """Two moments an utterance, in the order of time."""
    made = Element("TIME_ORDER")
    moments = [
        (moment, f"ts{2 * item.position + offset}")
        for tier in dealt
        for item in tier.utterances
        for offset, moment in enumerate((item.start, item.end), start=1)
    ]
    for moment, name in sorted(moments):
        SubElement(made, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(moment))
    return made


def tier_elements(tier: Tier, labels: LabelSet) -> tuple[Element, ...]:
    """The words in time, and what hangs on them."""
    words = tier_element("words", tier)
    emotion = tier_element("emotion", tier, PARENT_REF=f"words@{tier.name}")
    probability = tier_element("probability", tier, PARENT_REF=f"words@{tier.name}")
    for item in tier.utterances:
        said, number = item.prediction, item.position
        slots = {"TIME_SLOT_REF1": f"ts{2 * number + 1}", "TIME_SLOT_REF2": f"ts{2 * number + 2}"}
        words.append(annotation("ALIGNABLE", 3 * number + 1, said.text, **slots))
        below = {"ANNOTATION_REF": f"a{3 * number + 1}"}
        entry = {"CVE_REF": f"cve{labels.index(said.label)}"}
        emotion.append(annotation("REF", 3 * number + 2, said.label, **below, **entry))
        sure = f"{item.probability:.2f}"
        probability.append(annotation("REF", 3 * number + 3, sure, **below))
    return words, emotion, probability


def tier_element(kind: str, tier: Tier, **parent: str) -> Element:
    """An empty tier; the names of its type and of its kind are one."""
    names = {"TIER_ID": f"{kind}@{tier.name}", "LINGUISTIC_TYPE_REF": kind}
    return Element("TIER", names | {"PARTICIPANT": printable(tier.speaker)} | parent)


def annotation(kind: str, number: int, value: str, **place: str) -> Element:
    """One annotation, in time (ALIGNABLE) or on another one (REF)."""
    made = Element("ANNOTATION")
    inner = SubElement(made, f"{kind}_ANNOTATION", {"ANNOTATION_ID": f"a{number}"} | place)
    SubElement(inner, "ANNOTATION_VALUE").text = printable(value)
    return made


def types() -> Iterator[Element]:
    """Words stand in time; an emotion and a probability belong to words each."""
    yield Element("LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID="words", TIME_ALIGNABLE="true")
    dependent = {"CONSTRAINTS": ASSOCIATION, "TIME_ALIGNABLE": "false"}
    listed = {"CONTROLLED_VOCABULARY_REF": "emotions"}
    yield Element("LINGUISTIC_TYPE", {"LINGUISTIC_TYPE_ID": "emotion"} | dependent | listed)
    yield Element("LINGUISTIC_TYPE", {"LINGUISTIC_TYPE_ID": "probability"} | dependent)
    yield Element("LANGUAGE", LANGUAGE)
    description = "1-1 association with a parent annotation"
    yield Element("CONSTRAINT", STEREOTYPE=ASSOCIATION, DESCRIPTION=description)


def vocabulary(labels: LabelSet) -> Element:
    """The label set as a controlled vocabulary: ELAN offers these emotions where one corrects."""
    language = {"LANG_REF": LANGUAGE["LANG_ID"]}
    made = Element("CONTROLLED_VOCABULARY", CV_ID="emotions")
    SubElement(made, "DESCRIPTION", language).text = f"label set {printable(labels.name)}"
    for number, name in enumerate(labels):
        entry = SubElement(made, "CV_ENTRY_ML", CVE_ID=f"cve{number}")
        SubElement(entry, "CVE_VALUE", language).text = printable(name)
    return made
