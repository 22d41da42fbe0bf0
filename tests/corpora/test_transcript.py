import pytest

from mmerc.corpora.transcript import read_transcript
from mmerc.errors import InputError


def test_conversations_and_their_lines(tmp_path):
    file = tmp_path / "talk.txt"
    file.write_text(
        "# a comment\nAnn: Look: 10:30 already!\nBob Lee : آه 😮\u2028so\n\n\n# more\nAnn: Bye\n",
        encoding="utf-8-sig",
    )
    first, second = read_transcript(file)
    assert (first.id, second.id) == ("talk-1", "talk-2")
    assert [(u.id, u.speaker, u.text) for u in first.utterances] == [
        ("1", "Ann", "Look: 10:30 already!"),
        ("2", "Bob Lee", "آه 😮\u2028so"),
    ]
    assert second.utterances[0].text == "Bye"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Ann: hi\njust words\n", "line 2: no speaker"),
        (": hi", "line 1: no speaker"),
        ("a" * 61 + ": hi", "line 1: no speaker of at most 60 characters"),
        ("Ann:  \n", "line 1: 'Ann' says nothing"),
        ("# nothing\n\n", "holds no utterance"),
    ],
)
def test_bad_lines(tmp_path, content, told):
    (tmp_path / "talk.txt").write_text(content)
    with pytest.raises(InputError, match=told) as caught:
        read_transcript(tmp_path / "talk.txt")
    assert "talk.txt" in str(caught.value)
