"""Which extractor made a corpus's vectors, so that it can make them again of disturbed media."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mmerc.errors import InputError, MmercError
from mmerc.features.registry import ExtractorName, NamedExtractor
from mmerc.features.selection import Selection
from mmerc.features.store import FeatureSpec, FeatureTable
from mmerc.media.faces.speaking import Choice

CHOICES: dict[str, Choice] = {choice: choice for choice in get_args(Choice)}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A disturbance that cannot be had, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """The extractor of a corpus's vectors, and the columns that were selected from it, if any."""

    named: NamedExtractor
    spec: FeatureSpec
    selection: Selection | None

    def as_stored(self, table: FeatureTable) -> FeatureTable:
        """Vectors that were made under another name, as the corpus would hold them."""
        own = FeatureTable(spec=self.spec, rows=table.rows)
        return own if self.selection is None else self.selection.apply(own)


def maker_of(stored: FeatureSpec, corpus: Path, *, weights: Path | None) -> Maker | LeftOut:
    """The maker of the vectors of the prepared corpus in the folder ``corpus``.

    ``weights``: a face network's, where they do not come with mmerc. InputError where they are not
    whole.
    """
    selection = corpus / f"{stored.modality}-selection.json"
    chosen = Selection.load(selection) if selection.is_file() else None
    name = stored.extractor if chosen is None else stored.extractor.rpartition("-")[0]
    if name not in get_args(ExtractorName):
        return LeftOut(
            f"its {stored.modality} vectors ({stored.extractor}) were not made by an extractor of "
            "mmerc"
        )
    face = CHOICES.get(str(stored.settings.get("source.choice")), "speaking")
    named = NamedExtractor(name, face=face, weights=weights)
    try:
        spec = named().spec
    except InputError:
        raise
    except MmercError as error:  # its package or weights are not there
        return LeftOut(str(error).rstrip("."))
    if spec.fingerprint != (stored.fingerprint if chosen is None else chosen.parent):
        return LeftOut(
            f"its {stored.modality} vectors were made by {name} with other settings, weights or "
            f"versions than {name} has here"
        )
    return Maker(named=named, spec=spec, selection=chosen)
