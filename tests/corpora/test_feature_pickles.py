import os
import pickle

import numpy as np
import pytest

from mmerc.corpora.feature_pickles import _read_feature_pickle
from mmerc.errors import InputError
from mmerc.labels import IEMOCAP_6, MELD_7

TRAIN = [f"Ses0{number}" for number in range(1, 5)]
NAMES = [*TRAIN, "Ses05"]


def iemocap():
    random = np.random.default_rng(0)
    ids = {name: [f"{name}_F0", f"{name}_M0"] for name in NAMES}
    vectors = [
        {name: list(random.normal(size=(2, width))) for name in NAMES} for width in (4, 3, 2)
    ]
    return [
        ids,
        {name: ["F", "M"] for name in NAMES},
        {name: [0, 5] for name in NAMES},
        *vectors,
        {name: ["Good evening.", "Itâ\x80\x99s late."] for name in NAMES},
        set(TRAIN),
        {"Ses05"},
    ]


def meld():
    items = [{NAMES.index(name): value for name, value in item.items()} for item in iemocap()[:7]]
    items[1] = {name: [[0, 1, 0], [1, 0, 0]] for name in items[1]}
    items[3] = {name: np.asarray(value) for name, value in items[3].items()}
    return [*items, [0, 1, 2, 3], [4], [np.float64(1.0)]]


@pytest.fixture
def write(tmp_path):
    def dump(items, protocol=2):
        (tmp_path / "features.pkl").write_bytes(pickle.dumps(tuple(items), protocol=protocol))
        return tmp_path / "features.pkl"

    return dump


@pytest.mark.parametrize("protocol", range(6))
def test_iemocap_tuple(write, round_trip, protocol):
    items = iemocap()
    loaded = round_trip(_read_feature_pickle(write(items, protocol), labels="iemocap"))
    assert loaded.labels == IEMOCAP_6
    assert (len(loaded.splits["train"]), len(loaded.splits["valid"])) == (3, 1)
    (last,) = loaded.splits["test"]
    assert [(u.id, u.speaker, u.label) for u in last.utterances] == [
        ("Ses05_F0", "F", "happy"),
        ("Ses05_M0", "M", "frustrated"),
    ]
    assert last.utterances[1].text == "It’s late."
    expected = np.float32(items[4]["Ses05"][1])
    np.testing.assert_array_equal(loaded.features["audio"].vector("Ses05", "Ses05_M0"), expected)


def test_meld_tuple(write, round_trip):
    loaded = round_trip(_read_feature_pickle(write(meld()), labels="meld"))
    assert loaded.labels == MELD_7
    (last,) = loaded.splits["test"]
    assert (last.id, last.utterances[0].speaker, last.utterances[1].speaker) == (
        "4", "speaker-1", "speaker-0",
    )  # fmt: skip
    assert last.utterances[1].label == "disgust"


def test_zeros_are_absent(write):
    items = iemocap()
    items[5]["Ses02"][1] = np.zeros(2)
    raw = _read_feature_pickle(write(items), labels="iemocap")
    assert raw.features["video"]["Ses02", "Ses02_M0"] is None
    assert raw.remarks[-1].startswith("1 of 10 video vectors")


def test_validation_does_not_depend_on_the_order_of_a_set(write):
    names = [
        [item.id for item in _read_feature_pickle(write(items), labels="iemocap").splits["valid"]]
        for items in ([*iemocap()[:7], order, {"Ses05"}] for order in (TRAIN, TRAIN[::-1]))
    ]
    assert names[0] == names[1]


class Malicious:
    def __init__(self, call, *arguments):
        self.call = (call, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_and_never_run(write, tmp_path, protocol):
    trace = tmp_path / "ran"
    items = [*iemocap()[:8], Malicious(os.system, f"touch {trace}")]
    message = r"features\.pkl, pickle: the file carries code \((posix|nt)\.system\)"
    with pytest.raises(InputError, match=message):
        _read_feature_pickle(write(items, protocol), labels="iemocap")
    assert not trace.exists()


@pytest.mark.parametrize("call", [eval, exec, getattr, __import__, np.load, open])
def test_no_other_global_is_allowed(write, call):
    with pytest.raises(InputError, match="the file carries code"):
        _read_feature_pickle(write([*iemocap()[:8], Malicious(call, "1")]), labels="iemocap")


def test_dotted_names_are_refused(tmp_path):
    stolen = b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__new__\x93."
    (tmp_path / "features.pkl").write_bytes(stolen)
    with pytest.raises(InputError, match=r"carries code \(numpy\.ndarray\.__new__\)"):
        _read_feature_pickle(tmp_path / "features.pkl", labels="iemocap")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_pickle_is_refused(write, share):
    file = write(iemocap())
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"features\.pkl: not a complete pickle"):
        _read_feature_pickle(file, labels="iemocap")


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_damaged_by_line_end_conversion_is_recognised(write, protocol):
    file = write(iemocap(), protocol)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(InputError, match=r"line ends \(CRLF\); .* binary mode") as caught:
        _read_feature_pickle(file, labels="iemocap")
    assert "code" not in str(caught.value)


def with_value(position, name, value):
    items = iemocap()
    items[position] = {**items[position], name: value}
    return items


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (iemocap()[:8], "expected a tuple of 9 items, got 8"),
        (meld(), "expected a tuple of 9 items, got 10"),
        ([[], *iemocap()[1:]], "item 'ids': expected a mapping, got list"),
        (
            [*iemocap()[:7], ["Ses09"], ["Ses05"]],
            "item 'ids', conversation 'Ses09': it has no entry",
        ),
        (
            with_value(1, "Ses01", ["F"]),
            "item 'speakers', conversation 'Ses01': expected 2 entries",
        ),
        (with_value(1, "Ses01", ["F", [1, 1]]), "neither a name nor one-hot"),
        (with_value(1, "Ses01", ["F", [1, "M"]]), "neither a name nor one-hot"),
        (with_value(0, "Ses01", 2), "item 'ids', conversation 'Ses01': expected a list, got int"),
        (with_value(2, "Ses01", [0, [1, 2]]), r"labels: \[1, 2\] is not a label"),
        (with_value(2, "Ses01", [0, 6]), "'Ses01', labels: 6 is not a label from 0 to 5"),
        (
            with_value(3, "Ses05", [[1.0] * 4]),
            "item 'text', conversation 'Ses05': expected 2 entries",
        ),
        (with_value(3, "Ses05", [[1.0], [1.0, 2.0]]), "not vectors of one width"),
        (with_value(3, "Ses05", [1.0, 2.0]), r"expected vectors, got shape \(2,\)"),
        (
            with_value(4, "Ses05", [[0.5, 1, 1], [1, np.nan, 1]]),
            "item 'audio', conversation 'Ses05', utterance 'Ses05_M0': number 1 is nan",
        ),
        (with_value(0, "Ses01", ["a", "a"]), "conversation 'Ses01': utterance id 'a' occurs twice"),
        ([*iemocap()[:7], TRAIN, ["Ses01"]], "conversation 'Ses01': occurs twice, in"),
    ],
)
def test_bad_tuple_is_refused(write, items, message):
    with pytest.raises(InputError, match=message) as caught:
        _read_feature_pickle(write(items), labels="iemocap")
    assert "features.pkl" in str(caught.value)


def test_missing_pickle_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        _read_feature_pickle(tmp_path / "none.pkl", labels="meld")
