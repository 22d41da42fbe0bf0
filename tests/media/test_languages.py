"""Codes, names and shares of spoken languages."""

import pytest

from mmerc.media.languages import language_code, language_name, share_languages


@pytest.mark.parametrize(
    ("given", "code"),
    [("en", "en"), ("en-GB", "en"), ("pt_BR", "pt"), ("English", "en"), ("german", "de"),
     ("haw", "haw"), (" FR ", "fr"), ("", None), (None, None)],
)  # fmt: skip
def test_language_codes(given, code):
    assert language_code(given) == code


def test_names_and_shares():
    assert language_name("fr") == "French"
    assert language_name("haw") == "haw"
    assert share_languages([("fr", 3.0), (None, 9.0), ("en", 1.0)]) == {"fr": 0.75, "en": 0.25}
    assert share_languages([(None, 9.0)]) == {}
    assert share_languages([]) == {}
