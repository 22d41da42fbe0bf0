"""Transcripts of every form, intact and damaged: no words lost or invented, no traceback."""

import re
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmerc.corpora.transcript import read_transcript
from mmerc.errors import InputError

NAMES = st.sampled_from(["Mara", "Tom Lee", "Speaker 1", "SPEAKER_00", "Ana María", "Dr. Osei"])
PUNCTUATION = st.sampled_from(["", ".", "?", ":", " 10:30", " — so", "!", " (yes)", "…"])
WORD = re.compile(r"w\d+")


@st.composite
def talks(draw):
    """Utterances (speaker, seconds, words) in order of time; every word is unique."""
    count = draw(st.integers(1, 5))
    starts = sorted(draw(st.lists(st.integers(0, 9000), min_size=count, max_size=count)))
    numbers = iter(range(10_000))

    def words():
        said = " ".join(f"w{next(numbers)}" for _ in range(draw(st.integers(1, 4))))
        return f"so {said}{draw(PUNCTUATION)}"

    return [(draw(NAMES), start, words()) for start in starts]


def stamp(seconds, *, long):
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}" if long else f"{minutes}:{second:02}"


FORMS = {
    "plain": lambda who, when, words: f"{who}: {words}",
    "brackets": lambda who, when, words: f"[{stamp(when, long=True)}] {who}: {words}",
    "first": lambda who, when, words: f"{stamp(when, long=False)} {who}: {words}",
    "dash": lambda who, when, words: f"{stamp(when, long=True)} - {who}: {words}",
    "names": lambda who, when, words: f"{who}  {stamp(when, long=False)}\n{words}\n",
    "dated": lambda who, when, words: f"12/03/2024, {stamp(when, long=True)} - {who}: {words}",
}


def read(lines, *, ends="\n", mark=False):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "talk.txt"
        text = ends.join("\n".join(lines).split("\n")) + ends
        file.write_bytes(text.encode("utf-8-sig" if mark else "utf-8"))
        return read_transcript(file)


def counted(texts):
    return Counter(word for text in texts for word in WORD.findall(text))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(talks(), st.sampled_from(sorted(FORMS)), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_complete_transcript_is_read_unchanged(talk, form, ends, mark):
    transcript = read([FORMS[form](*speech) for speech in talk], ends=ends, mark=mark)
    (conversation,) = transcript
    assert [(u.speaker, u.text) for u in conversation.utterances] == [
        (who, words) for who, _, words in talk
    ]
    starts = [utterance.start for utterance in conversation.utterances]
    first = talk[0][1] if form == "dated" else 0
    known = [None if form == "plain" else when - first for _, when, _ in talk]
    assert starts == known


DAMAGES = {
    "cut": lambda line: line[3:],
    "time": lambda line: re.sub(r"\d:\d\d", "9:99", line, count=1),
    "no name": lambda line: re.sub(r"^(.*?)[A-Za-z][\w .í]*: ", r"\1", line, count=1),
    "indent": lambda line: "   " + line,
    "colon": lambda line: line.replace(": ", " ", 1),
    "brackets": lambda line: line.replace("[", "(", 1),
    "blank": lambda line: line + "\n\n",
    "broken": lambda line: line.replace(" so ", "\nso ", 1),
    "twice": lambda line: f"{line}\n{line}",
    "marks": lambda line: "\u200e" + line + "\u2028",
}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    talks(),
    st.lists(st.sampled_from(sorted(FORMS)), min_size=5, max_size=5),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(sorted(DAMAGES))), max_size=3),
)
def test_damaged_file_is_refused_or_keeps_every_word(talk, forms, mixed, damages):
    forms = forms if mixed else forms[:1] * 5
    lines = [FORMS[form](*speech) for form, speech in zip(forms, talk, strict=False)]
    for position, damage in damages:
        lines[position % len(lines)] = DAMAGES[damage](lines[position % len(lines)])
    try:
        transcript = read(lines)
    except InputError as error:
        assert "\n" not in str(error)
        assert "talk.txt" in str(error)
        return
    utterances = [u for conversation in transcript for u in conversation.utterances]
    assert counted(u.text for u in utterances) == counted(lines)
    if any(re.search(r"\d\d:\d\d:\d\d", u.text) for u in utterances):
        assert any("continues the line above it" in remark for remark in transcript.remarks)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_refused_or_read(text):
    try:
        transcript = read([text])
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert all(u.text.strip() for conversation in transcript for u in conversation.utterances)
