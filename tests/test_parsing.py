"""JSON and YAML of users: values as written, one sentence for damage and for keys twice."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mmerc.errors import InputError
from mmerc.parsing import parse_json, parse_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_read_as_written(value):
    assert parse_json(json.dumps(value), where="a.json") == value


def test_same_key_in_different_objects_is_allowed():
    assert parse_json('{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}', where="a.json") == {
        "a": {"a": 1}, "b": [{"a": 2}, {"a": 3}],
    }  # fmt: skip


def test_json_key_twice_is_refused_with_its_object():
    text = '{"words": [{"start": 1.25, "word": "a", "end": 2, "word": "b"}]}'
    with pytest.raises(InputError) as caught:
        parse_json(text, where="a.json")
    assert str(caught.value) == (
        "a.json: the key 'word' occurs twice in the object that begins {\"start\": 1.25}; "
        "keep one of them."
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1', r"not JSON \(column 8: "),
        ('{\n"a": }\n', r"not JSON \(line 2: "),
        ("9" * 5000, "a number that is too long"),
        ("[" * 99_999, "nested too deeply"),
    ],
)
def test_damaged_json_is_refused_with_its_place(text, problem):
    with pytest.raises(InputError, match=problem):
        parse_json(text, where="a.json")


def test_yaml_key_twice_is_refused():
    for text in ("a: 1\nb: 2\na: 3\n", "c:\n  - {a: 1, a: 2}\n"):
        with pytest.raises(yaml.YAMLError, match=r"the key 'a' of line \d occurs twice"):
            parse_yaml(text)


def test_yaml_merges_still_work():
    text = "base: &base {a: 1, b: 2}\nother: {<<: *base, a: 3}\n"
    assert parse_yaml(text)["other"] == {"a": 3, "b": 2}
