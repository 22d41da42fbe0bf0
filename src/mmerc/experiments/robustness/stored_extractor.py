"""Find the extractor of a corpus's stored vectors, for use on disturbed media."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mmerc.errors import InputError, MmercError
from mmerc.features.combined import JOINT
from mmerc.features.registry import ExtractorName, NamedExtractor
from mmerc.features.selection import Selection
from mmerc.features.store import FeatureSpec, FeatureTable
from mmerc.media.faces.speaking import Choice

_FACE_CHOICES: dict[str, Choice] = {choice: choice for choice in get_args(Choice)}


@dataclass(frozen=True, slots=True)
class Inapplicable:
    """A disturbance that cannot be applied, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredExtractor:
    """The extractor of stored vectors, with selected columns, if any."""

    named: NamedExtractor
    spec: FeatureSpec
    selection: Selection | None

    def as_stored(self, table: FeatureTable) -> FeatureTable:
        """Convert extracted vectors to the format stored in the corpus."""
        extracted = FeatureTable(spec=self.spec, rows=table.rows)
        return extracted if self.selection is None else self.selection.apply(extracted)


def find_stored_extractor(
    stored: FeatureSpec, corpus: Path, *, weights: Path | None
) -> StoredExtractor | Inapplicable:
    """Find the extractor of the vectors of the prepared corpus in the folder ``corpus``.

    ``weights``: weights of a face network that does not come with mmerc; InputError if damaged.
    """
    file = corpus / f"{stored.modality}-selection.json"
    selected = Selection.load(file) if file.is_file() else None
    name = stored.extractor if selected is None else stored.extractor.rpartition("-")[0]
    if not set(get_args(ExtractorName)).issuperset(name.split(JOINT)):
        return Inapplicable(
            f"its {stored.modality} vectors ({stored.extractor}) were not extracted by mmerc"
        )
    face = _FACE_CHOICES.get(str(stored.settings.get("source.choice")), "speaking")
    named = NamedExtractor(name, face=face, weights=weights)
    try:
        spec = named().spec
    except InputError:
        raise
    except MmercError as error:  # its package or weights are missing
        return Inapplicable(str(error).rstrip("."))
    if spec.fingerprint != (stored.fingerprint if selected is None else selected.parent):
        return Inapplicable(
            f"its {stored.modality} vectors were extracted by {name} with other settings, "
            "weights or versions than those here"
        )
    return StoredExtractor(named=named, spec=spec, selection=selected)
