"""Tables of a model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmerc.conversation import Modality
from mmerc.training.modality_shifts import RECORDING_CONVERSATIONS, ShiftScores, ShiftTable

MODALITY_NAMES: Mapping[Modality, str] = {"text": "text", "audio": "sound", "video": "faces"}


def join_names(subset: Sequence[Modality]) -> str:
    """Return the modalities of a set in words."""
    return " + ".join(MODALITY_NAMES[m] for m in subset)


def table(columns: Sequence[str]) -> str:
    """Return the header of a Markdown table."""
    return f"{line(columns)}\n{line(['---'] * len(columns))}"


def line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def shift_section(measured: ShiftTable) -> list[str]:
    """Return the part of a card that shows the cost of a misleading modality."""
    subsets = list(measured.undisturbed)
    undisturbed = [f"{measured.undisturbed[subset]:.1f}" for subset in subsets]
    return [
        "## When one modality misleads\n",
        "Weighted F1 on the validation split. Every "
        f"{RECORDING_CONVERSATIONS} conversations are joined into one recording, and one modality "
        "is shifted throughout. The gap compares all modalities, one of them shifted, with the "
        "best undisturbed set that lacks it: below 0 the modality does harm.\n",
        table(["shift", *map(join_names, subsets), "gap"]),
        line(["none", *undisturbed, ""]),
        *(_shift_line(scores) for scores in measured.shifts),
        "",
    ]


def _shift_line(scores: ShiftScores) -> str:
    """Return the row of one shift; sets without the shifted modality are undisturbed."""
    cells = [f"{score:.1f}" for score in scores.weighted_f1.values()]
    return line([scores.name, *cells, f"{scores.gap:+.1f}"])
