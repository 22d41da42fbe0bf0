"""The settings of prediction sets."""

from __future__ import annotations

from dataclasses import dataclass

from mmerc.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequest:
    """Settings of the requested prediction sets; UsageError if they are invalid.

    ``level``: the share of utterances whose label is in their set. ``class_conditional``: apply the
    level to each label separately. ``most_labels``: larger sets are "unsure".
    """

    level: float = 0.9
    class_conditional: bool = False
    most_labels: int = 3

    @classmethod
    def create(
        cls, level: float | None, *, class_conditional: bool, most_labels: int
    ) -> SetRequest | None:
        """Create a request from three settings; None if there is no level."""
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
