from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmerc.errors import InputError
from mmerc.evaluation.predictions import Predictions
from mmerc.labels import UNKNOWN_LABEL, LabelSet

LABELS = LabelSet("moods", ("calm", "glad", "cross"))


def example() -> Predictions:
    nan = np.nan
    return Predictions(
        labels=LABELS,
        conversations=("b", "a", "a", "b"),
        utterances=("1", "1", "2", "0"),
        gold=np.array([0, UNKNOWN_LABEL, 2, 1], np.int64),
        probabilities=np.array(
            [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0, 0, 1], [0.4, 0.4, 0.2]], np.float32
        ),
        weights={
            "text": np.array([0.25, 1, 0.5, 0.125], np.float32),
            "video": np.array([0.75, nan, 0.5, nan], np.float32),
        },
        similarity=np.array([0.1, 0.2, nan, -0.4], np.float32),
        context_weight=np.full(4, nan, np.float32),
    )


def assert_equal(first: Predictions, second: Predictions) -> None:
    assert first.labels == second.labels
    assert first.keys == second.keys
    assert list(first.weights) == list(second.weights)
    for name in ("gold", "probabilities", "similarity", "context_weight"):
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for modality, weight in first.weights.items():
        np.testing.assert_array_equal(weight, second.weights[modality])


def test_saved_predictions_load_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "seed=1" / "predictions.parquet"
    example().save(path)
    assert_equal(Predictions.load(path), example())
    assert [file.name for file in path.parent.iterdir()] == ["predictions.parquet"]


@pytest.mark.parametrize("weights", [{}, {"audio": np.full(4, np.nan, np.float32)}])
def test_modalities_without_weights_differ_from_absent_ones(tmp_path, weights) -> None:
    predictions = replace(example(), weights=weights)
    predictions.save(tmp_path / "p.parquet")
    assert_equal(Predictions.load(tmp_path / "p.parquet"), predictions)


def test_empty_predictions_are_saved_and_loaded(tmp_path: Path) -> None:
    empty = example().where(np.zeros(4, bool))
    empty.save(tmp_path / "p.parquet")
    assert_equal(Predictions.load(tmp_path / "p.parquet"), empty)


def test_columns_are_readable_by_other_tools(tmp_path: Path) -> None:
    example().save(tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert list(table) == [
        "conversation", "utterance", "gold", "predicted", "probability_calm", "probability_glad",
        "probability_cross", "weight_text", "weight_audio", "weight_video", "similarity",
        "context_weight",
    ]  # fmt: skip
    assert table["gold"] == ["calm", None, "cross", "glad"]
    assert table["predicted"] == ["calm", "cross", "cross", "calm"]
    assert table["weight_video"] == [0.75, None, 0.5, None]
    assert table["weight_audio"] == [None] * 4


def test_known_where_and_take_keep_rows_together() -> None:
    known = example().with_gold()
    assert known.keys == [("b", "1"), ("a", "2"), ("b", "0")]
    assert known.gold.tolist() == [0, 2, 1]
    assert known.weights["text"].tolist() == [0.25, 0.5, 0.125]
    last = example().take(np.array([3, 0]))
    assert last.keys == [("b", "0"), ("b", "1")]
    with pytest.raises(ValueError, match="expected 4 booleans"):
        example().where(np.ones(3, bool))


@pytest.mark.parametrize("kept", [0, 3, 100, 1500])
def test_truncated_file_gives_a_one_sentence_error(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "p.parquet"
    example().save(path)
    assert len(path.read_bytes()) > kept
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError) as caught:
        Predictions.load(path)
    assert str(caught.value) == f"{path}: not a file of predictions; write it again."


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Predictions.load(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="not a file of predictions"):
        Predictions.load(tmp_path)
    path = tmp_path / "p.parquet"
    example().save(path)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(InputError, match="not a file of predictions"):
        Predictions.load(path)
    pq.write_table(table.drop_columns(["similarity"]), path)
    with pytest.raises(InputError, match="not a file of predictions"):
        Predictions.load(path)


def test_unknown_label_is_reported_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    example().save(path)
    table = pq.read_table(path)
    strange = table.set_column(2, "gold", [["calm", "smug", None, None]])
    pq.write_table(strange, path)
    with pytest.raises(InputError, match=r"p\.parquet.*unknown label 'smug'"):
        Predictions.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gold": np.array([0, 1, 2], np.int64)}, "'gold': \\(3,\\)"),
        ({"gold": np.array([0, 1, 2, 3], np.int64)}, "gold label"),
        ({"gold": np.array([0, 1, 2, -1], np.int64)}, "gold label"),
        ({"probabilities": np.full((4, 2), 0.5, np.float32)}, "'probabilities': \\(4, 2\\)"),
        ({"probabilities": np.full((4, 3), np.nan, np.float32)}, "do not sum to 1"),
        ({"probabilities": np.full((4, 3), 1, np.float32)}, "conversation 'b', '1'"),
        ({"utterances": ("1", "1", "1", "0")}, "occurs twice"),
        ({"weights": {"text": np.ones(5, np.float32)}}, "weight text"),
    ],
)
def test_invalid_rows_are_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        replace(example(), **change)
