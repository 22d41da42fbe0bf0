"""Differences between conditions: what is permuted, planted differences, and no difference."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom
from simulated import LABELS, SHARES, simulate, write_study

from mmerc.errors import InputError, UsageError
from mmerc.studies.condition_tests import _permute_labels, compare_conditions, read_conditions
from mmerc.studies.measures import measure_study
from mmerc.studies.sequences import read_sequences

SAD = np.array([0.2, 0.2, 0.6])


def compared(rows):
    return {(row.measure, row.emotion): row for row in rows if row.condition}


def two_conditions(folder, seed, second, *, recordings=8, participants=None, size=40):
    """Recordings of condition `a`, then equally many of `b` with other settings."""
    columns = simulate(seed, recordings=recordings, size=size)
    other = simulate(seed + 1, recordings=recordings, size=size, **second)
    other["recordings"] = [f"b{name}" for name in other["recordings"]]
    together = {name: columns[name] + other[name] for name in columns}
    rows = len(columns["emotions"])
    extra = {"condition": ["a"] * rows + ["b"] * rows}
    if participants is not None:
        extra["participant"] = [participants(name) for name in together["recordings"]]
    return write_study(folder, together, **extra)


def differences(study, by="condition", permutations=999):
    rows = read_sequences(study)
    conditions = read_conditions(study, rows, by)
    return compared(compare_conditions(rows, conditions, permutations=permutations, seed=0))


def test_planted_difference_is_detected_with_its_size(tmp_path):
    rows = differences(two_conditions(tmp_path, 1, {"shares": (SAD, SAD)}))
    sad = rows["share", "sadness"]
    assert (sad.condition, sad.reference, sad.null) == ("b", "a", "permuted conditions")
    assert sad.effect == pytest.approx(sad.value - sad.expected)
    assert 0.3 < sad.effect < 0.5 and sad.effect_low < 0.4 < sad.effect_high
    assert sad.p_value < 0.01
    assert rows["inertia above chance", ""].p_value > 0.05


def test_higher_inertia_is_detected_in_its_condition(tmp_path):
    rows = differences(two_conditions(tmp_path, 3, {"inertia": 0.6}))
    assert rows["inertia above chance", ""].effect > 0.15
    assert rows["inertia above chance", ""].p_value < 0.01
    assert rows["contagion above chance", ""].p_value > 0.05


def test_p_value_equals_exact_enumeration(tmp_path):
    study = two_conditions(tmp_path, 5, {"shares": (SAD, SHARES)}, recordings=4, size=20)
    row = differences(study, permutations=20_000)["share", "joy"]
    table = pq.read_table(study / "utterances.parquet").to_pylist()
    names = sorted({item["recording"] for item in table})
    joys = {
        n: np.mean([i["emotion"] == "joy" for i in table if i["recording"] == n]) for n in names
    }
    actual = np.mean([joys[n] for n in names if n[0] == "b"])
    actual -= np.mean([joys[n] for n in names if n[0] == "r"])
    assert row.effect == pytest.approx(actual)
    far = []
    for chosen in itertools.combinations(names, 4):
        others = [joys[n] for n in names if n not in chosen]
        difference = np.mean([joys[n] for n in chosen]) - np.mean(others)
        far.append(abs(difference) >= abs(actual) - 1e-9)
    assert row.p_value == pytest.approx(np.mean(far), abs=0.015)


def test_recordings_of_a_participant_are_permuted_together(tmp_path):
    """Four participants with four recordings each: at least 2 of 6 arrangements are as extreme."""
    study = two_conditions(
        tmp_path,
        1,
        {"shares": (SAD, SAD)},
        participants=lambda name: f"{name[0]}{int(name[-1]) % 2}",
    )
    assert differences(study)["share", "sadness"].p_value == pytest.approx(1 / 3, abs=0.05)


def test_participants_in_both_conditions_are_compared_within_person(tmp_path):
    """Eight participants, each in both conditions: 2 of 256 arrangements are as extreme."""
    study = two_conditions(
        tmp_path, 1, {"shares": (SAD, SAD)}, participants=lambda name: f"p{name[-1]}"
    )
    assert differences(study)["share", "sadness"].p_value == pytest.approx(2 / 256, abs=0.006)


def test_column_of_participants_compares_speakers_within_recordings(tmp_path):
    columns = simulate(1, recordings=8, shares=(SAD, SHARES))
    names = zip(columns["recordings"], columns["speakers"], strict=True)
    study = write_study(
        tmp_path,
        columns,
        participant=[f"{recording}-{speaker}" for recording, speaker in names],
        group=["patient" if speaker == "A" else "therapist" for speaker in columns["speakers"]],
    )
    row = differences(study, by="group")["share", "sadness"]
    assert (row.condition, row.reference) == ("therapist", "patient")
    assert row.effect < -0.25
    assert row.p_value == pytest.approx(2 / 256, abs=0.006)


def test_no_difference_is_detected_between_equal_conditions(tmp_path):
    count = 0
    for seed in range(100):
        study = two_conditions(tmp_path, 100 + 2 * seed, {}, recordings=5, size=20)
        count += differences(study, permutations=199)["share", "joy"].p_value < 0.05
    low, high = binom.interval(0.999, 100, 0.05)
    assert low <= count <= high


def test_mixed_blocks_are_permuted_inside_and_pure_blocks_as_units():
    label = np.array([True, False, True, True, False, False])
    block = np.array([0, 0, 3, 3, 5, 5])  # mixed, pure, pure
    drawn = _permute_labels(label, block, 400, np.random.default_rng(0))
    seen = {tuple(row) for row in drawn.astype(int).tolist()}
    mixed, pure = [(1, 0), (0, 1)], [(1, 1, 0, 0), (0, 0, 1, 1)]
    assert seen == {one + other for one in mixed for other in pure}


def test_all_pairs_of_three_conditions_are_compared(tmp_path):
    columns = simulate(1, recordings=6, size=20)
    conditions = ["xyz"[int(name[-1]) // 2] for name in columns["recordings"]]
    study = write_study(tmp_path, columns, condition=conditions)
    rows = measure_study(study, shuffles=19, by="condition")
    pairs = {(row.reference, row.condition) for row in rows if row.condition}
    assert pairs == {("x", "y"), ("x", "z"), ("y", "z")}
    tested = [row for row in rows if row.p_value is not None]
    assert all(row.p_holm is not None for row in tested)
    assert len([row for row in tested if row.condition]) == 3 * (len(LABELS) + 3)


@pytest.mark.parametrize("by", ["none", "emotion", "session"])
def test_column_that_cannot_be_compared_is_refused(tmp_path, by):
    columns = simulate(1, recordings=2, size=10)
    study = write_study(tmp_path, columns, session=["one"] * 20)
    with pytest.raises(UsageError, match=f"--by '{by}': the"):
        measure_study(study, shuffles=9, by=by)


def test_column_that_differs_within_a_speaker_is_refused(tmp_path):
    columns = simulate(1, recordings=2, size=10)
    study = write_study(tmp_path, columns, phase=["early", "late"] * 10)
    with pytest.raises(InputError, match="changes within the utterances of a speaker"):
        measure_study(study, shuffles=9, by="phase")


def test_unknown_column_is_refused(tmp_path):
    columns = simulate(1, recordings=2, size=10)
    pairs = list(zip(columns["recordings"], columns["speakers"], strict=True))
    roles = {pair: f"role {number % 2}" for number, pair in enumerate(sorted(set(pairs)))}
    roles[max(roles)] = "role 0"
    study = write_study(
        tmp_path, columns, participant=[s for _, s in pairs], role=[roles[pair] for pair in pairs]
    )
    with pytest.raises(InputError, match="within a recording and within a participant"):
        measure_study(study, shuffles=9, by="role")


def test_recordings_without_a_condition_are_excluded(tmp_path):
    columns = simulate(1, recordings=6, size=20)
    conditions = [[None, "x", "y"][int(name[-1]) % 3] for name in columns["recordings"]]
    rows = differences(write_study(tmp_path, columns, condition=conditions))
    assert rows["entropy", ""].count == 80


def test_missing_or_damaged_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"utterances\.parquet: no such file"):
        measure_study(tmp_path, shuffles=9)
    (tmp_path / "utterances.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"cannot be read \("):
        measure_study(tmp_path, shuffles=9)
    pq.write_table(pa.table({"emotion": ["joy"]}), tmp_path / "utterances.parquet")
    with pytest.raises(InputError, match="has no column 'recording'"):
        measure_study(tmp_path, shuffles=9)
