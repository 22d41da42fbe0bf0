"""Sound on the level of the training data, against a slow form written number by number."""

import math

import numpy as np
import pytest

from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.inference.levelling import _CLIP, PRIOR, SPEAKER_PRIOR, Statistics, level_table

WIDTH = 6


def table_of(vectors):
    """A table of utterances 0, 1, ...; None is absent."""
    spec = FeatureSpec(modality="audio", extractor="random", dim=WIDTH)
    rows = [
        FeatureRow(
            conversation="c",
            utterance=str(number),
            vector=None if vector is None else np.asarray(vector, np.float32),
            absent_because="silence" if vector is None else None,
        )
        for number, vector in enumerate(vectors)
    ]
    return FeatureTable.of(spec, rows)


@pytest.fixture
def training():
    numbers = np.random.default_rng(1)
    return Statistics(
        mean=numbers.normal(size=WIDTH).astype("float32"),
        deviation=numbers.uniform(0.5, 30, size=WIDTH).astype("float32"),
    )


def slowly(vectors, training):
    """The recording and 20 typical utterances beside it, one dimension after the other."""
    moved = [list(map(float, vector)) for vector in vectors]
    distances = []
    for d in range(WIDTH):
        mean, deviation = float(training.mean[d]), float(training.deviation[d])
        scores = [(float(vector[d]) - mean) / deviation for vector in vectors]
        weight = 1 / (len(scores) + PRIOR)
        centre = weight * sum(scores)  # those of the training data add up to 0
        spread = weight * sum((score - centre) ** 2 for score in scores)
        spread += weight * PRIOR * (1 + centre**2)  # and have variance 1 around 0
        for row, score in zip(moved, scores, strict=True):
            own = max(-_CLIP, min(_CLIP, (score - centre) / math.sqrt(spread)))
            row[d] = own * deviation + mean
        distances.append(abs(sum(scores) / len(scores)))
    return moved, float(np.median(distances))


@pytest.mark.parametrize("count", [1, 2, 15, 200])
def test_equals_the_slow_form(training, count):
    numbers = np.random.default_rng(count)
    vectors = numbers.normal(loc=4.0, scale=12.0, size=(count, WIDTH)).astype("float32")
    table, distance = level_table(table_of(vectors), training)
    expected, far = slowly(vectors, training)
    actual = [table.vector("c", str(number)) for number in range(count)]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
    assert distance == pytest.approx(far, rel=1e-5)
    assert all(vector.dtype == np.float32 for vector in actual)


def by_speaker_slowly(vectors, names, training):
    """The recording's statistics, then each speaker's with ten typical utterances beside them."""
    moved = [list(map(float, vector)) for vector in vectors]
    for d in range(WIDTH):
        mean, deviation = float(training.mean[d]), float(training.deviation[d])
        scores = [(float(vector[d]) - mean) / deviation for vector in vectors]
        weight = 1 / (len(scores) + PRIOR)
        centre = weight * sum(scores)
        spread = weight * sum((score - centre) ** 2 for score in scores)
        spread += weight * PRIOR * (1 + centre**2)
        for name in set(names):
            rows = [row for row, other in enumerate(names) if other == name]
            part = 1 / (len(rows) + SPEAKER_PRIOR)
            own = part * (sum(scores[row] for row in rows) + SPEAKER_PRIOR * centre)
            width = part * sum((scores[row] - own) ** 2 for row in rows)
            width += part * SPEAKER_PRIOR * (spread + (centre - own) ** 2)
            for row in rows:
                score = max(-_CLIP, min(_CLIP, (scores[row] - own) / math.sqrt(width)))
                moved[row][d] = score * deviation + mean
    return moved


@pytest.mark.parametrize("count", [1, 5, 60])
def test_by_speaker_equals_the_slow_form(training, count):
    numbers = np.random.default_rng(count)
    vectors = numbers.normal(loc=4.0, scale=12.0, size=(count, WIDTH)).astype("float32")
    names = [["Mara", "Tom", "Ann"][number % 3] for number in range(count)]
    speakers = {str(number): name for number, name in enumerate(names)}
    table, _ = level_table(table_of(vectors), training, speakers=speakers)
    levelled = [table.vector("c", str(number)) for number in range(count)]
    expected = by_speaker_slowly(vectors, names, training)
    np.testing.assert_allclose(levelled, expected, rtol=1e-3, atol=1e-3)


def test_what_is_typical_of_a_person_is_levelled_out(training):
    numbers = np.random.default_rng(0)
    typical = training.mean + training.deviation * numbers.normal(size=(2000, WIDTH))
    vectors = typical + 2 * training.deviation * (np.arange(2000) % 2)[:, None]
    speakers = {str(number): "ab"[number % 2] for number in range(2000)}
    table, _ = level_table(table_of(vectors), training, speakers=speakers)
    moved = np.stack([row.vector for row in table.rows.values()])
    scores = (moved - training.mean) / training.deviation
    np.testing.assert_allclose(scores[0::2].mean(0), scores[1::2].mean(0), atol=0.05)
    np.testing.assert_allclose(scores.std(0), 1, atol=0.1)


def test_a_long_recording_is_levelled_out(training):
    numbers = np.random.default_rng(0)
    typical = training.mean + training.deviation * numbers.normal(size=(3000, WIDTH))
    loud = typical * 3 + 7 * training.deviation  # another microphone
    table, distance = level_table(table_of(loud), training)
    moved = np.stack([row.vector for row in table.rows.values()])
    scores = (moved - training.mean) / training.deviation
    np.testing.assert_allclose(scores.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(scores.std(0), 1, atol=0.2)
    assert distance > 3


def test_one_utterance_of_the_usual_kind_stays_nearly_where_it_is(training):
    vector = training.mean + 0.5 * training.deviation
    table, distance = level_table(table_of([vector]), training)
    moved = (table.vector("c", "0") - training.mean) / training.deviation
    np.testing.assert_allclose(moved, 0.5 * 20 / 21, rtol=0.05)
    assert distance == pytest.approx(0.5, rel=1e-3)


def test_a_dimension_that_never_changes(training):
    vectors = np.tile(training.mean + 2 * training.deviation, (40, 1))
    table, _ = level_table(table_of(vectors), training)
    moved = np.stack([row.vector for row in table.rows.values()])
    assert np.isfinite(moved).all()
    assert np.ptp(moved, axis=0).max() == 0


def test_nothing_is_beyond_five_deviations(training):
    vectors = np.tile(training.mean, (400, 1))
    vectors[7] += 1e4 * training.deviation
    table, _ = level_table(table_of(vectors), training)
    moved = (table.vector("c", "7") - training.mean) / training.deviation
    np.testing.assert_allclose(moved, 5.0, rtol=1e-5)


def test_what_is_absent_stays_absent_and_counts_for_nothing(training):
    numbers = np.random.default_rng(3)
    vectors = list(numbers.normal(size=(3, WIDTH)))
    whole, distance = level_table(table_of(vectors), training)
    gappy, same = level_table(table_of([None, *vectors, None]), training)
    assert same == distance
    assert [gappy.vector("c", number) for number in ("0", "4")] == [None, None]
    assert gappy.rows["c", "0"].absent_because == "silence"
    for number in range(3):
        moved = gappy.vector("c", str(number + 1))
        np.testing.assert_array_equal(moved, whole.vector("c", str(number)))


def test_nothing_at_all(training):
    table = table_of([None, None])
    assert level_table(table, training) == (table, 0.0)
