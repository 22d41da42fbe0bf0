"""Tables of a model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmerc.conversation import Modality, Split
from mmerc.evaluation.abstention import AbstentionScore
from mmerc.training.modality_shifts import ShiftScores, ShiftTable

MODALITY_NAMES: Mapping[Modality, str] = {"text": "text", "audio": "sound", "video": "faces"}
_SPLIT_NAMES: Mapping[Split, str] = {"train": "training", "valid": "validation", "test": "test"}

LIMITS_HEADING = "## What it was not tested on"
OTHER_CORPORA_HEADING = "## On other corpora"


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
    calibration = measured.calibration_error[max(subsets, key=len)]
    return [
        "## When one modality misleads\n",
        f"Weighted F1 on the {_SPLIT_NAMES[measured.split]} split. Every {measured.size} "
        "conversations are joined into one recording, and one modality is shifted throughout. The "
        "gap compares all modalities, one of them shifted, with the best undisturbed set that "
        "lacks it: below 0 the modality does harm. The calibration error is that of all "
        "modalities.\n",
        table(["shift", *map(join_names, subsets), "gap", "calibration error"]),
        line(["none", *undisturbed, "", f"{calibration:.1f}"]),
        *(_shift_line(scores) for scores in measured.shifts),
        "",
    ]


def abstention_section(measured: Sequence[AbstentionScore]) -> list[str]:
    """Return the part of a card that shows the gain from abstaining."""
    columns = ("probability at least", "answered", "accuracy", "weighted F1", "macro F1")
    return [
        "## When it may abstain\n",
        "An utterance is answered if its highest probability reaches a threshold. Thresholds were "
        "chosen on the validation split, to answer "
        f"{', '.join(f'{100 * item.planned:.0f}' for item in measured)} % there; shares and scores "
        "are those of the test split, with all modalities.\n",
        table(columns),
        *(
            line(
                [
                    f"{item.threshold:.2f}", f"{100 * item.answered:.0f} %",
                    f"{item.scores.accuracy:.1f}", f"{item.scores.weighted_f1:.1f}",
                    f"{item.scores.macro_f1:.1f}",
                ]
            )
            for item in measured
        ),
        "",
    ]  # fmt: skip


def find_section(card: str, heading: str) -> str:
    """Return a section of a card including its heading; empty if there is none."""
    _, found, rest = card.partition(f"{heading}\n")
    return found + rest.partition("\n## ")[0].rstrip() + "\n" if found else ""


def set_section(card: str, section: str) -> str:
    """Insert a section into a card, replacing one with the same heading, else before the limits."""
    former = find_section(card, section.partition("\n")[0])
    if former:
        return card.replace(former.rstrip(), section.rstrip(), 1)
    before, limits, after = card.partition(LIMITS_HEADING)
    return f"{before}{section.rstrip()}\n\n{limits}{after}"


def _shift_line(scores: ShiftScores) -> str:
    """Return the row of one shift; sets without the shifted modality are undisturbed."""
    cells = [f"{score:.1f}" for score in scores.weighted_f1.values()]
    error = scores.calibration_error[max(scores.calibration_error, key=len)]
    return line([scores.name, *cells, f"{scores.gap:+.1f}", f"{error:.1f}"])
