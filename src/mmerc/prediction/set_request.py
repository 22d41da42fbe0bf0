"""Which prediction sets are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from mmerc.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequest:
    """Which prediction sets are asked for; UsageError for an impossible request.

    ``level``: the share of utterances whose label is in their set. ``class_conditional``: of every
    label by itself, not over all utterances. ``most_labels``: a set of more labels than this is
    "unsure".
    """

    level: float = 0.9
    class_conditional: bool = False
    most_labels: int = 3

    @classmethod
    def create(
        cls, level: float | None, *, class_conditional: bool, most_labels: int
    ) -> SetRequest | None:
        """Create the request of three settings; None without a level: no sets are asked for."""
        if level is None:
            return None
        return cls(level=level, class_conditional=class_conditional, most_labels=most_labels)

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise UsageError(
                f"Sets contain the label with a probability between 0 and 1, such as 0.9, not "
                f"{self.level:g}."
            )
        if self.most_labels < 1:
            raise UsageError("A set that counts as sure has one label or more.")
