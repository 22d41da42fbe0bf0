"""Feature selection: the columns with the largest weights in a linear classifier.

DF-ERC selected its 300 audio features of MELD from openSMILE's in this way (Sec. 4.1). Vectors keep
raw values, since models standardise their input; only the choice of columns is learnt. It has seen
the labels of all utterances used for fitting. Their rows are marked ``saw_label``, because scores
on them are too high. Validation and test utterances must not be among them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Key, Vector
from mmerc.files import fingerprint, read_json, write_json

_PENALTY = 0.001  # C of the classifier; strong, as there are about as many columns as utterances


class Selection(BaseModel):
    """Selected columns of an extractor's vectors, and the utterances used for fitting.

    ``indices`` are ascending. ``mean`` and ``deviation`` over the utterances in ``fitted_on``
    standardise the classifier's input; ``apply`` does not use them. ``parent`` and ``content`` are
    the fingerprints of the vectors' specification and of the table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parent: str
    content: str
    indices: tuple[NonNegativeInt, ...] = Field(min_length=1)
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    conversations: int
    fitted_on: tuple[Key, ...]

    @model_validator(mode="after")
    def check(self) -> Selection:
        """Check that columns are unique and ascending, each with mean and deviation."""
        if list(self.indices) != sorted(set(self.indices)):
            raise ValueError("indices do not ascend")
        if not len(self.indices) == len(self.mean) == len(self.deviation):
            raise ValueError("indices, mean and deviation differ in length")
        return self

    def spec_for(self, parent: FeatureSpec) -> FeatureSpec:
        """Return the specification of the selected vectors."""
        count = len(self.indices)
        return FeatureSpec(
            modality=parent.modality,
            extractor=f"{parent.extractor}-{count}",
            dim=count,
            settings={
                "parent": self.parent,
                "count": count,
                "columns": fingerprint(self.indices),
                "fitted_on": fingerprint(self.fitted_on),
            },
        )

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Select columns of ``table``, with raw values; absent vectors stay absent.

        Rows in ``fitted_on`` are marked ``saw_label``. InputError if ``table`` comes from another
        extractor.
        """
        if table.spec.fingerprint != self.parent or self.indices[-1] >= table.spec.dim:
            raise InputError(
                f"{table.spec.modality} vectors of {table.spec.extractor}",
                f"their fingerprint is {table.spec.fingerprint[:12]}, but the selection was made "
                f"from {self.parent[:12]}",
                "select from these vectors, or extract them as they were",
            )
        fitted, columns = frozenset(self.fitted_on), np.array(self.indices)
        return FeatureTable.of(
            self.spec_for(table.spec),
            (
                replace(
                    row,
                    vector=None if row.vector is None else row.vector[columns],
                    saw_label=row.saw_label or key in fitted,
                )
                for key, row in table.rows.items()
            ),
        )

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path) -> Selection:
        """Read a file written by ``save``; InputError for anything else."""
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            raise InputError(path, "not a feature selection", "make the selection again") from error


def fit_selection(
    table: FeatureTable,
    labels: Mapping[Key, str],
    train_keys: Collection[Key],
    *,
    count: int = 300,
    seed: int = 0,
) -> Selection:
    """Select the ``count`` columns with the largest weights in a linear support vector machine.

    Columns are standardised; absolute weights are summed over the classes (one-vs-rest, squared
    hinge loss, L2). ``train_keys`` without a vector or a label are ignored.

    InputError if fewer than two labels remain, or there are fewer columns than ``count``.
    """
    from sklearn.preprocessing import StandardScaler

    rows = _fitting_rows(table, labels, train_keys)
    names = [labels[row.conversation, row.utterance] for row in rows]
    _check_fit(table, names, count=count)
    scaler = StandardScaler()
    vectors = [row.vector for row in rows if row.vector is not None]
    standard = scaler.fit_transform(np.stack(vectors))
    indices = _largest_weights(standard, names, count=count, seed=seed)
    return Selection(
        parent=table.spec.fingerprint,
        content=table.content_fingerprint,
        indices=tuple(indices.tolist()),
        mean=tuple(scaler.mean_[indices].tolist()),
        deviation=tuple(scaler.scale_[indices].tolist()),
        conversations=len({row.conversation for row in rows}),
        fitted_on=tuple((row.conversation, row.utterance) for row in rows),
    )


def _fitting_rows(
    table: FeatureTable, labels: Mapping[Key, str], train_keys: Collection[Key]
) -> list[FeatureRow]:
    """Return the rows of ``train_keys`` with a vector and a label, sorted by key."""
    keys = sorted(set(train_keys) & labels.keys() & table.rows.keys())
    return [table.rows[key] for key in keys if table.rows[key].vector is not None]


def _check_fit(table: FeatureTable, names: list[str], *, count: int) -> None:
    """Refuse unsuitable vectors or labels."""
    where = f"{table.spec.modality} vectors of {table.spec.extractor}"
    if not 0 < count <= table.spec.dim:
        problem = f"cannot choose {count} of {table.spec.dim} numbers"
        raise InputError(where, problem, f"ask for 1 to {table.spec.dim}")
    if len(set(names)) < 2:
        problem = f"training utterances with a vector have {len(set(names))} different labels"
        raise InputError(where, problem, "provide at least two labels")


def _largest_weights(
    standard: Vector, names: list[str], *, count: int, seed: int
) -> NDArray[np.int64]:
    """Return the ascending indices of the columns with the largest weights.

    Shape: float32 [utterances, D] -> int64 [count].
    """
    from sklearn.feature_selection import SelectFromModel
    from sklearn.svm import LinearSVC

    classifier = LinearSVC(C=_PENALTY, dual="auto", random_state=seed)
    selector = SelectFromModel(classifier, threshold=-np.inf, max_features=count)
    indices: NDArray[np.int64] = selector.fit(standard, names).get_support(indices=True)
    return indices
