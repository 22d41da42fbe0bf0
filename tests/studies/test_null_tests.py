"""Measures and their null models: slow implementations, planted effects, and no effect."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom
from simulated import LABELS, sequences, simulate

from mmerc.errors import InputError, UsageError
from mmerc.studies.measure_row import correct_for_many_tests, needed_shuffles
from mmerc.studies.null_tests import entropy, measure_sequences
from mmerc.studies.resampling import bootstrap_sums, interval, recording_weights
from mmerc.studies.sequences import build_sequences
from mmerc.studies.shuffles import _permuted, _shifted, count_pairs, expected_counts

SMALL = {
    "recordings": ["r", "r", "s", "r", "r", "r", "s", "r", "s"],
    "speakers": ["A", "B", "A", "A", "A", "B", "B", "B", "B"],
    "emotions": ["joy", "joy", "neutral", "joy", "sadness", "joy", "neutral", "joy", "neutral"],
}


def rows_by_name(rows):
    return {(row.measure, row.emotion, row.next_emotion): row for row in rows}


def talks(columns):
    """Each recording's (speaker, emotion) in order."""
    lists = {}
    for recording, *turn in zip(*(columns[name] for name in columns), strict=True):
        lists.setdefault(recording, []).append(tuple(turn))
    return list(lists.values())


def slow_rates(all_talks):
    """Every rate from a loop over the turns."""
    hits, totals = {}, {}

    def note(measure, first, second):
        for emotion in ("", first):
            totals[measure, emotion] = totals.get((measure, emotion), 0) + 1
            hits[measure, emotion] = hits.get((measure, emotion), 0) + (first == second)

    for talk in all_talks:
        for place, (speaker, emotion) in enumerate(talk):
            if place + 1 < len(talk):
                other, following = talk[place + 1]
                if other != speaker:
                    note("contagion", emotion, following)
                totals["transition", emotion] = totals.get(("transition", emotion), 0) + 1
                key = ("transition", emotion, following)
                hits[key] = hits.get(key, 0) + 1
            later = [item for item in talk[place + 1 :] if item[0] == speaker]
            if later:
                note("inertia", emotion, later[0][1])
    rates = {}
    for measure, emotion in itertools.product(("inertia", "contagion"), ("", *LABELS)):
        total = totals.get((measure, emotion), 0)
        rates[measure, emotion, ""] = hits.get((measure, emotion), 0) / total if total else None
    for first, second in itertools.product(LABELS, LABELS):
        total = totals.get(("transition", first), 0)
        hit = hits.get(("transition", first, second), 0)
        rates["transition", first, second] = hit / total if total else None
    return rates


@pytest.mark.parametrize("columns", [SMALL, simulate(3, recordings=4, size=15, inertia=0.3)])
def test_values_equal_a_loop_over_the_turns(columns):
    rows = rows_by_name(measure_sequences(build_sequences(LABELS, **columns), shuffles=19, seed=0))
    for key, value in slow_rates(talks(columns)).items():
        assert rows[key].value == (None if value is None else pytest.approx(value)), key


def arrangements(columns, null):
    """Every shuffle of one recording, as emotions of its turns."""
    (talk,) = talks(columns)
    places = {}
    for place, (speaker, _) in enumerate(talk):
        places.setdefault(speaker, []).append(place)
    ways = []
    for own in places.values():
        emotions = [talk[place][1] for place in own]
        if null == "permuted":
            ways.append(list(itertools.permutations(emotions)))
        else:
            ways.append([tuple(emotions[n:] + emotions[:n]) for n in range(len(emotions))])
    for chosen in itertools.product(*ways):
        shuffled = list(talk)
        for own, emotions in zip(places.values(), chosen, strict=True):
            for place, emotion in zip(own, emotions, strict=True):
                shuffled[place] = (talk[place][0], emotion)
        yield shuffled


@pytest.mark.parametrize(("measure", "null"), [("inertia", "permuted"), ("contagion", "shifted")])
def test_p_value_and_chance_equal_exact_enumeration(measure, null):
    columns = simulate(5, recordings=1, size=8, inertia=0.4, contagion=0.3)
    row = rows_by_name(
        measure_sequences(build_sequences(LABELS, **columns), shuffles=20_000, seed=1)
    )[measure, "", ""]
    rates = [slow_rates([item])[measure, "", ""] for item in arrangements(columns, null)]
    chance = np.mean(rates)
    assert row.expected == pytest.approx(chance)
    far = np.abs(np.array(rates) - chance) >= abs(row.value - chance) - 1e-9
    assert row.p_value == pytest.approx(far.mean(), abs=0.015)
    assert row.z == pytest.approx((row.value - chance) / np.std(rates), rel=0.05)


@pytest.mark.parametrize("shuffle", [_permuted, _shifted])
def test_shuffle_keeps_every_speakers_emotions(shuffle):
    sorted_rows = sequences(1, recordings=3, size=20)
    (shuffled,) = shuffle(sorted_rows, [500], np.random.default_rng(0))
    for voice in range(sorted_rows.voices):
        own = sorted_rows.voice == voice
        expected = np.sort(sorted_rows.emotion[own])
        assert (np.sort(shuffled[:, own], axis=1) == expected).all()
    assert len(np.unique(shuffled, axis=0)) > 400


def test_shifting_keeps_a_speakers_own_order():
    sorted_rows = sequences(1, recordings=1, size=30, inertia=0.7)
    (shuffled,) = _shifted(sorted_rows, [200], np.random.default_rng(0))
    own = sorted_rows.voice == 0
    turned = {tuple(np.roll(sorted_rows.emotion[own], n)) for n in range(own.sum())}
    assert {tuple(row) for row in shuffled[:, own]} == turned


def test_expected_counts_are_the_mean_over_many_shuffles():
    sorted_rows = sequences(2, recordings=2, size=25)
    for pairs, shuffle in (
        (sorted_rows.same_speaker, _permuted),
        (sorted_rows.consecutive, _permuted),
        (sorted_rows.other_speaker, _shifted),
    ):
        (shuffled,) = shuffle(sorted_rows, [20_000], np.random.default_rng(0))
        expected = expected_counts(sorted_rows, pairs)
        for first, second in itertools.product(range(3), range(3)):
            same = (shuffled[:, pairs.first] == first) & (shuffled[:, pairs.second] == second)
            assert expected[:, first, second].sum() == pytest.approx(
                same.sum(axis=1).mean(), abs=0.06
            )
        assert expected.sum(axis=(1, 2)) == pytest.approx(
            count_pairs(sorted_rows, pairs).sum(axis=(1, 2))
        )


@pytest.mark.parametrize(
    ("planted", "found_by", "not_by"),
    [({"inertia": 0.3}, "inertia", "contagion"), ({"contagion": 0.3}, "contagion", None)],
)
def test_planted_effect_is_detected(planted, found_by, not_by):
    seen = []
    for seed in range(10):
        rows = measure_sequences(sequences(seed, recordings=12, **planted), shuffles=999, seed=0)
        by_name = rows_by_name(correct_for_many_tests(rows))
        row = by_name[found_by, "", ""]
        assert row.effect > 0 and row.effect_low < row.effect < row.effect_high
        seen.append(row.p_holm < 0.05)
        if not_by:
            assert abs(by_name[not_by, "", ""].effect) < 0.12
    assert sum(seen) >= 9


@pytest.mark.parametrize(
    "settings",
    [{}, {"inertia": 0.7}, {"shares": (np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.1, 0.8]))}],
    ids=["independent", "inertia", "shares"],
)
def test_no_effect_is_detected_without_one(settings):
    """Of 200 studies without an effect, about 5 % have p < 0.05.

    Speakers' own inertia and different shares must not count as contagion.
    """
    measures = ["contagion"] if "inertia" in settings else ["contagion", "inertia"]
    false = dict.fromkeys(measures, 0)
    for seed in range(200):
        study = sequences(10_000 + seed, recordings=4, size=40, **settings)
        rows = rows_by_name(measure_sequences(study, shuffles=199, seed=seed))
        for measure in measures:
            false[measure] += rows[measure, "", ""].p_value < 0.05
    # 0.05 - 1/200 is the exact level with 199 shuffles and no ties; ties make a test stricter.
    low, high = binom.interval(0.999, 200, 0.05)
    for measure, count in false.items():
        assert low - 1 <= count <= high, (measure, count)


def test_same_seed_gives_the_same_rows():
    study = sequences(4)
    assert measure_sequences(study, shuffles=99, seed=3) == measure_sequences(
        study, shuffles=99, seed=3
    )
    other = measure_sequences(study, shuffles=99, seed=4)
    assert other != measure_sequences(study, shuffles=99, seed=3)


def test_rare_emotions_are_described_but_not_tested():
    rows = rows_by_name(measure_sequences(build_sequences(LABELS, **SMALL), shuffles=19, seed=0))
    assert rows["inertia", "", ""].p_value is not None
    assert rows["inertia", "joy", ""].value is not None
    assert rows["inertia", "joy", ""].p_value is None
    assert rows["inertia", "sadness", ""].value is None  # nothing follows the only one


def test_single_recording_has_no_interval_and_single_turns_no_inertia():
    columns = {"recordings": ["r"] * 3, "speakers": ["A", "B", "C"], "emotions": ["joy"] * 3}
    rows = rows_by_name(measure_sequences(build_sequences(LABELS, **columns), shuffles=19, seed=0))
    assert rows["inertia", "", ""].value is None
    contagion = rows["contagion", "", ""]
    assert (contagion.value, contagion.expected, contagion.effect) == (1.0, 1.0, 0.0)
    assert (contagion.p_value, contagion.z, contagion.effect_low) == (1.0, None, None)


def test_no_pair_crosses_a_conversation():
    columns = {
        "recordings": ["r"] * 4, "conversations": ["1", "1", "2", "2"], "speakers": ["A", "B"] * 2,
        "emotions": ["joy", "joy", "sadness", "sadness"],
    }  # fmt: skip
    study = build_sequences(LABELS, **columns)
    assert (study.recordings, study.voices) == (1, 4)
    assert len(study.same_speaker.first) == 0
    assert len(study.other_speaker.first) == len(study.consecutive.first) == 2


def test_turns_are_sorted_by_time_if_all_times_are_known():
    columns = {
        "recordings": ["r"] * 3 + ["s"] * 3, "speakers": ["A"] * 6,
        "emotions": ["joy", "neutral", "sadness"] * 2, "starts": [5.0, 1.0, 3.0, 9.0, None, 1.0],
    }  # fmt: skip
    study = build_sequences(LABELS, **columns)
    order = ["neutral", "sadness", "joy", "joy", "neutral", "sadness"]
    assert [LABELS[n] for n in study.emotion] == order


def test_emotion_without_a_probability_is_refused():
    with pytest.raises(InputError, match="'calm' has no probability"):
        build_sequences(LABELS, emotions=["calm"], recordings=["r"], speakers=["A"])


def test_zero_shuffles_are_refused():
    with pytest.raises(UsageError, match="at least one shuffle"):
        measure_sequences(sequences(), shuffles=0, seed=0)


def test_study_without_utterances_has_no_measures():
    empty = build_sequences(LABELS, emotions=[], recordings=[], speakers=[])
    assert measure_sequences(empty, shuffles=9, seed=0) == []


def test_holm_covers_all_tests_and_states_the_needed_shuffles():
    rows = correct_for_many_tests(measure_sequences(sequences(), shuffles=99, seed=0))
    tested = [row for row in rows if row.p_value is not None]
    assert len(tested) == 4 + 4 + 9
    smallest = min(tested, key=lambda row: row.p_value)
    assert smallest.p_holm == pytest.approx(min(1.0, 17 * smallest.p_value))
    assert needed_shuffles(rows) == 340


def test_entropy_in_bits():
    assert entropy(np.array([4.0, 4.0, 0.0, 0.0])) == pytest.approx(1.0)
    assert entropy(np.array([[3.0, 0.0], [1.0, 1.0]])).tolist() == [0.0, 1.0]


def test_bootstrap_interval_equals_a_loop():
    values = np.array([[1.0], [2.0], [6.0], [7.0]])
    weights = recording_weights(4, seed=0)
    drawn = [float((row[:, None] * values).sum()) for row in weights]
    low, high = interval(bootstrap_sums(values, weights)[:, 0])
    assert (low, high) == (pytest.approx(np.quantile(drawn, 0.025)), np.quantile(drawn, 0.975))
    assert recording_weights(1, seed=0) is None
