"""Feature selection finds the features that separate labels, from training utterances alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmerc.errors import InputError
from mmerc.features.selection import Selection, fit_selection
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable

SPEC = FeatureSpec(modality="audio", extractor="compare", dim=12, settings={"opensmile": "2.6.0"})
TELLING = (2, 7, 9)
LABELS = ("joy", "anger", "neutral")
TRAIN, OTHERS = 90, 30


def utterance(number):
    return f"dia{number // 10}", f"utt{number % 10}"


@pytest.fixture(scope="module")
def labels():
    return {utterance(number): LABELS[number % 3] for number in range(TRAIN + OTHERS)}


@pytest.fixture(scope="module")
def table(labels):
    """Columns 2, 7 and 9 each correlate with one label; column 4 is constant; scales differ."""
    chance = np.random.default_rng(0)
    values = chance.normal(size=(TRAIN + OTHERS, SPEC.dim))
    for column, name in zip(TELLING, LABELS, strict=True):
        values[:, column] += [3 * (label == name) for label in labels.values()]
    values *= 10.0 ** chance.integers(-3, 6, SPEC.dim)
    values[:, 4] = 123_456.7
    rows = [
        FeatureRow(conversation=key[0], utterance=key[1], vector=vector.astype(np.float32))
        for key, vector in zip(labels, values, strict=True)
    ]
    rows[5] = replace(rows[5], vector=None, absent_because="silence")
    return FeatureTable.of(SPEC, rows)


@pytest.fixture(scope="module")
def train_keys():
    return [utterance(number) for number in range(TRAIN)]


@pytest.fixture(scope="module")
def selection(table, labels, train_keys):
    return fit_selection(table, labels, train_keys, count=3)


def test_discriminative_columns_are_chosen(selection, table):
    assert selection.indices == TELLING
    rows = [table.rows[key].vector for key in selection.fitted_on]
    np.testing.assert_allclose(selection.mean, np.mean(rows, axis=0)[list(TELLING)], rtol=1e-4)
    np.testing.assert_allclose(selection.deviation, np.std(rows, axis=0)[list(TELLING)], rtol=1e-4)


@pytest.mark.parametrize("count", [1, 5, 11, 12])
def test_requested_number_of_columns_is_chosen(table, labels, train_keys, count):
    indices = fit_selection(table, labels, train_keys, count=count).indices
    assert len(indices) == count
    assert (4 in indices) == (count == 12)
    assert count < 3 or set(TELLING) <= set(indices)


def test_only_training_labels_and_vectors_are_used(table, labels, train_keys, selection):
    others = labels.keys() - set(train_keys)
    rows = {key: replace(table.rows[key], vector=np.ones(12, np.float32)) for key in others}
    changed = FeatureTable.of(SPEC, [*({**table.rows, **rows}).values()])
    actual = fit_selection(changed, labels | dict.fromkeys(others, "joy"), train_keys, count=3)
    assert actual.model_dump(exclude={"content"}) == selection.model_dump(exclude={"content"})
    assert actual.content != selection.content


def test_order_of_utterances_changes_nothing(table, labels, train_keys, selection):
    reverse = FeatureTable.of(SPEC, reversed(table.rows.values()))
    assert fit_selection(reverse, labels, reversed(train_keys), count=3) == selection


def test_utterances_without_vector_or_label_are_skipped(table, labels, train_keys):
    unknown = {key: label for key, label in labels.items() if key != utterance(8)}
    selection = fit_selection(table, unknown, [*train_keys, ("dia0", "nobody")], count=3)
    passed = {utterance(5), utterance(8)}
    assert set(selection.fitted_on) == set(train_keys) - passed
    assert selection.conversations == 9


def test_values_stay_raw_and_seen_labels_are_marked(table, selection):
    predictions = selection.apply(table)
    assert predictions.rows.keys() == table.rows.keys()
    for key, row in predictions.rows.items():
        before = table.rows[key]
        assert row.saw_label == (key in selection.fitted_on)
        assert row.absent_because == before.absent_because
        if before.vector is None:
            assert row.vector is None
        else:
            assert row.vector.tolist() == before.vector[list(TELLING)].tolist()
    assert sum(row.saw_label for row in predictions.rows.values()) == TRAIN - 1


def test_earlier_seen_labels_stay_marked(table, selection):
    key = utterance(TRAIN)
    rows = {**table.rows, key: replace(table.rows[key], saw_label=True)}
    assert selection.apply(FeatureTable.of(SPEC, rows.values())).rows[key].saw_label


def test_fingerprint_depends_on_parent_columns_and_utterances(table, labels, train_keys, selection):
    spec = selection.apply(table).spec
    assert (spec.modality, spec.extractor, spec.dim) == ("audio", "compare-3", 3)
    assert spec.settings["parent"] == SPEC.fingerprint
    assert spec.settings["count"] == 3
    fewer = fit_selection(table, labels, train_keys[:-1], count=3)
    more = fit_selection(table, labels, train_keys, count=4)
    other = replace(SPEC, settings={"opensmile": "3.0"})
    grown = fit_selection(FeatureTable.of(other, table.rows.values()), labels, train_keys, count=3)
    assert fewer.indices == grown.indices == selection.indices
    specs = [
        predictions.spec_for(SPEC).fingerprint for predictions in (selection, fewer, more, grown)
    ]
    assert len(set(specs)) == 4


def test_vectors_of_another_extractor_are_refused(table, selection):
    other = FeatureTable.of(replace(SPEC, settings={"opensmile": "3.0"}), table.rows.values())
    with pytest.raises(InputError, match="audio vectors of compare: their fingerprint is"):
        selection.apply(other)


@pytest.mark.parametrize(
    ("count", "named", "message"),
    [
        (13, LABELS, "cannot choose 13 of 12 numbers; ask for 1 to 12"),
        (0, LABELS, "cannot choose 0 of 12 numbers"),
        (3, ("joy", "joy", "joy"), "have 1 different labels"),
    ],
)
def test_unusable_vectors_are_refused(table, train_keys, count, named, message):
    labels = {key: named[number % 3] for number, key in enumerate(train_keys)}
    with pytest.raises(InputError, match=message):
        fit_selection(table, labels, train_keys, count=count)


def test_missing_training_utterances_are_refused(table, labels):
    with pytest.raises(InputError, match="have 0 different labels"):
        fit_selection(table, labels, [], count=3)


def test_save_and_load(tmp_path, selection):
    selection.save(tmp_path / "selection.json")
    assert Selection.load(tmp_path / "selection.json") == selection
    value = json.loads((tmp_path / "selection.json").read_text())
    assert value["indices"] == list(TELLING)
    assert value["conversations"] == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": [2, 9, 7]},
        {"indices": [2, 2, 7]},
        {"indices": [-1, 2, 7]},
        {"indices": [2, 7]},
        {"indices": [], "mean": [], "deviation": []},
        {"mean": [1.0]},
        {"parent": None},
        {"more": 1},
    ],
)
def test_changed_file_is_refused(tmp_path, selection, changes):
    path = tmp_path / "selection.json"
    path.write_text(json.dumps(selection.model_dump(mode="json") | changes))
    with pytest.raises(InputError, match=r"selection\.json: not a feature selection"):
        Selection.load(path)


def test_nonexistent_columns_are_refused(table, selection):
    with pytest.raises(InputError, match="select from these vectors"):
        selection.model_copy(update={"indices": (2, 7, 12)}).apply(table)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=60) | st.text().map(lambda text: json.dumps([text]).encode()))
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "selection.json").write_bytes(content)
    with pytest.raises(InputError):
        Selection.load(tmp_path / "selection.json")
