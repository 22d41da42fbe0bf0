"""Request fields for prediction sets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmerc.corpora.records import Record
from mmerc.prediction.set_request import SetRequest


class SetFields(Record):
    """Request fields for prediction sets.

    ``sets``: the probability that a prediction set contains the label, such as 0.9.
    ``class_conditional``: for each emotion separately. Sets larger than ``most_labels`` are
    "unsure".
    """

    sets: Annotated[float | None, Field(gt=0, lt=1)] = None
    class_conditional: bool = False
    most_labels: Annotated[int, Field(ge=1)] = 3

    @property
    def set_request(self) -> SetRequest | None:
        """Return the requested prediction sets."""
        return SetRequest.create(
            self.sets, class_conditional=self.class_conditional, most_labels=self.most_labels
        )
