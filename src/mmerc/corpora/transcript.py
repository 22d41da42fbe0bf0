"""Read transcripts: ``Speaker: text``, with or without times. Rules: docs/formats.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.error_location import inside
from mmerc.corpora.line_times import (
    NameLine,
    TimeHead,
    dates_to_seconds,
    find_name_line,
    find_time,
)
from mmerc.corpora.transcript_file import (
    EARLIER_START,
    TABLES,
    TranscriptFile,
    check_no_document,
)
from mmerc.corpora.transcript_table import read_transcript_table
from mmerc.errors import InputError
from mmerc.files import read_text
from mmerc.media.cue_times import parse_times
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.speaker_labels import Label, SpeakerNames, find_label, name_shape
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, speaker_or_unknown
from mmerc.media.subtitles import DOUBTFUL, REJECTED, UNNAMED, read_subtitles
from mmerc.media.text_files import without_invisible
from mmerc.names import tidy_name

_LONGEST_SPEAKER = 60
_FIX = "write Speaker: text, or begin a comment with #"
_CLOCK = re.compile(r"\d\d?:\d\d:\d\d")
_WRITTEN_TIME = re.compile(r"\s*(?:[\[(]|\d\d?:\d\d:\d\d)")  # not text like "10:30 is fine"
_CHAT = re.compile(r"From\s+(\S.{0,99}?)(?:\s+to\s+[^:]{1,99})?\s*:\s+(?=\S)")  # Zoom's chat
_LABELLED = re.compile(r"([^:：]*)[:：](.*)", re.DOTALL)
# Markdown: **Mara:** Hello, - **Mara**: Hello, **[0:03] Mara:** Hello
_BOLD_LABEL = re.compile(
    r"^(?:[-*]\s+)?(\s*[\[(]?[\d:.,]*[\])]?\s*)\*\*([^*]{1,90}?)(?:[:：]\s*\*\*|\*\*\s*[:：])"
)
_CONTINUED = "has no time, and continues the line above it"
_COMMENT = "a comment (#), left out"
_FROM_EARLIEST = "dated lines: their times are counted from the earliest"


@dataclass(slots=True, kw_only=True)
class _Speech:
    """An utterance of a transcript: line, words and, if known, speaker.

    ``head``: the time at its start. ``after_gap``: it follows an empty line.
    """

    line: int
    words: list[str]
    speaker: str = ""
    head: TimeHead | None = None
    start: float | None = None
    end: float | None = None
    after_gap: bool = False


def read_transcript(file: str | Path) -> TranscriptFile:
    """Read conversations ``STEM-1``, ``STEM-2``, ..., with utterances ``1``, ``2``, ....

    Lines are ``Speaker: text``; an empty line starts a new conversation, ``#`` a comment. Lines may
    start with a time and a date, or names and times may be on separate lines; times become starts,
    in seconds. ``[00:00:00.000 --> 00:00:04.000]  words`` is read like subtitles. CSV and TSV files
    are tables with a header.

    InputError for a line without speaker or words, an invalid time, and a file without utterances.
    Doubts are in the ``remarks`` of the result.
    """
    file = Path(file)
    check_no_document(file)
    if file.suffix.lower() in TABLES:
        return read_transcript_table(file)
    # Split at line feeds only; str.splitlines would also split at rarer separators inside a text.
    lines = list(enumerate(map(_without_marks, read_text(file).split("\n")), start=1))
    content = [(number, line) for number, line in lines if line.strip() and line[0] != "#"]
    if not content:
        problem = "it contains no utterance"
        raise InputError(file, problem, "write lines of the form Speaker: text")
    (number, first), remarks = content[0], LineRemarks(file.name)
    if "-->" in first and parse_times(first) is not None:
        subtitles = read_subtitles(file)
        conversation = Conversation(id=f"{file.stem}-1", utterances=subtitles.utterances)
        return TranscriptFile([conversation], subtitles.remarks)
    with inside(file):
        if find_time(f"line {number}", first) is not None:
            speeches = _read_timed_lines(lines, remarks)
        elif find_name_line(f"line {number}", first) is not None:
            speeches = _read_name_lines(lines, remarks)
        else:
            plain = _number_utterances(file.stem, _read_plain_lines(lines))
            return TranscriptFile.of(file, plain)
        _count_from_earliest_date(speeches, remarks)
    conversations = list(
        _number_utterances(file.stem, _split_where_times_restart(speeches, remarks))
    )
    return TranscriptFile.of(file, conversations, remarks.sentences())


def _without_marks(line: str) -> str:
    """Remove invisible characters, and asterisks that make a speaker's name bold."""
    return _BOLD_LABEL.sub(r"\1\2: ", without_invisible(line), count=1)


def _read_plain_lines(lines: Iterable[tuple[int, str]]) -> list[list[_Speech]]:
    """Read ``Speaker: text`` lines; an empty line separates conversations."""
    groups: list[list[_Speech]] = [[]]
    for number, line in lines:
        if not line.strip():
            groups.append([])
        elif not line.startswith("#"):
            groups[-1].append(_read_plain_line(number, line))
    return [group for group in groups if group]


def _read_plain_line(number: int, line: str) -> _Speech:
    """Read speaker, words and an optional time from one line."""
    where = f"line {number}"
    head = find_time(where, line)
    if head is None and find_name_line(where, line) is not None:
        problem = "a name and a time, where other lines are Speaker: text"
        raise InputError(where, problem, "write all lines in the same format")
    words = line if head is None else head.words
    label = _LABELLED.fullmatch(words)
    speaker, text = (tidy_name(label[1]), label[2].strip()) if label else ("", "")
    if not 0 < len(speaker) <= _LONGEST_SPEAKER:
        problem = f"no speaker of at most {_LONGEST_SPEAKER} characters before a colon"
        raise InputError(where, problem, _FIX)
    if not text:
        raise InputError(where, f"{speaker!r} says nothing", _FIX)
    start, end = (None, None) if head is None or head.date else (head.start, head.end)
    return _Speech(line=number, words=[text], speaker=speaker, start=start, end=end)


def _read_timed_lines(lines: Sequence[tuple[int, str]], remarks: LineRemarks) -> list[_Speech]:
    """Read lines that start with a time, and their continuation lines."""
    heads = {number: find_time(f"line {number}", line) for number, line in lines if line.strip()}
    timed = {number: head for number, head in heads.items() if head is not None}
    names = SpeakerNames.choose(*[[head.words for head in timed.values() if head.words]] * 2)
    speeches: list[_Speech] = []
    gap = False
    for number, line in lines:
        if not line.strip():
            gap = True
            continue
        head = timed.get(number)
        if head is not None:
            speeches.append(_timed_speech(number, head, after_gap=gap))
        elif line.startswith("#"):
            remarks.add(number, _COMMENT)
        elif (label := _known_label(line, names)) is not None:
            speeches.append(_Speech(line=number, words=[label.words], speaker=label.speaker))
        else:
            _check_continuation(number, line, after_gap=gap)
            if speeches[-1].words:
                remarks.add(number, _CONTINUED)
            speeches[-1].words.append(line.strip())
        gap = False
    _name_speakers(speeches, remarks)
    return speeches


def _timed_speech(number: int, head: TimeHead, *, after_gap: bool) -> _Speech:
    """Build the speech that follows a time."""
    return _Speech(
        line=number, words=[head.words] if head.words else [], head=head, start=head.start,
        end=head.end, after_gap=after_gap,
    )  # fmt: skip


def _known_label(line: str, names: SpeakerNames) -> Label | None:
    """Return the label of a line without a time, if other lines have the same speaker."""
    label = find_label(line.strip())
    return label if label and label.speaker in names.trusted and label.words else None


def _name_speakers(speeches: Sequence[_Speech], remarks: LineRemarks) -> None:
    """Extract speaker names from the text of timed speeches."""
    timed = [speech for speech in speeches if speech.head is not None]
    if all(len(item.words) > 1 and name_shape(item.words[0]) == "likely" for item in timed):
        for speech in timed:
            speech.speaker = speech.words.pop(0)
        remarks.lines.pop(_CONTINUED, None)
    texts = [" ".join(speech.words) for speech in timed if not speech.speaker]
    names = SpeakerNames.choose(texts, texts)
    for speech in timed:
        text = " ".join(speech.words)
        chat = _CHAT.match(text)
        label = None if speech.speaker or chat else _find_speaker(text, speech, names)
        if chat:
            speech.speaker, speech.words = " ".join(chat[1].split()), [text[chat.end() :]]
        elif label is not None and label.speaker:
            speech.speaker, speech.words = label.speaker, [label.words]
            if label.speaker in names.doubtful:
                remarks.add(speech.line, DOUBTFUL, quote=label.speaker)
        elif not speech.speaker:
            speech.speaker = UNKNOWN_SPEAKER
            rejected = find_label(text)
            if rejected and rejected.speaker in names.rejected:
                remarks.add(speech.line, REJECTED, quote=rejected.speaker)
            remarks.add(speech.line, UNNAMED)
        _check_words(speech)


def _find_speaker(text: str, speech: _Speech, names: SpeakerNames) -> Label | None:
    """Find the label at the start of a speech; after a date (chats), any name counts."""
    dated = speech.head is not None and speech.head.date is not None
    return find_label(text) if dated else names.find(text)


def _check_words(speech: _Speech) -> None:
    """InputError for a speech without words."""
    if not "".join(speech.words).strip():
        who = "it" if speech.speaker in ("", UNKNOWN_SPEAKER) else repr(speech.speaker)
        problem, fix = f"{who} says nothing", "add the words or remove the line"
        raise InputError(f"line {speech.line}", problem, fix)


def _read_name_lines(lines: Sequence[tuple[int, str]], remarks: LineRemarks) -> list[_Speech]:
    """Read blocks of a line with name and time followed by lines of text."""
    speeches: list[_Speech] = []
    gap = True
    headings = _headings(lines)
    _check_single_heading(lines, headings)
    for number, line in lines:
        if not line.strip():
            gap = True
            continue
        heading = headings.get(number)
        if heading is not None:
            speech = _Speech(line=number, words=[], speaker=heading.speaker, after_gap=gap)
            speech.start = heading.start
            speeches.append(speech)
        elif line.startswith("#"):
            remarks.add(number, _COMMENT)
        else:
            _check_continuation(number, line, after_gap=False)
            if _CLOCK.search(line):
                remarks.add(number, _CONTINUED)
            speeches[-1].words.append(line.strip())
        gap = False
    for speech in speeches:
        _check_words(speech)
    return speeches


def _check_single_heading(
    lines: Sequence[tuple[int, str]], headings: Mapping[int, NameLine]
) -> None:
    """InputError if the only line with name and time may be text, as other lines have labels."""
    number, heading = min(headings.items())
    others = (line for other, line in lines if other != number and line.strip())
    unlikely = len(headings) == 1 and name_shape(heading.speaker) != "likely"
    if unlikely and any(find_label(line.strip()) for line in others):
        problem = "a name and a time, where other lines are Speaker: text"
        raise InputError(f"line {number}", problem, "write all lines in the same format")


def _check_continuation(number: int, line: str, *, after_gap: bool) -> None:
    """InputError for a line that starts an utterance in a different format from the first."""
    head = find_time(f"line {number}", line)
    name_line = find_name_line(f"line {number}", line) if after_gap else None
    is_timed = head is not None and (
        head.date or find_label(head.words) or _WRITTEN_TIME.match(line)
    )
    if is_timed or (name_line is not None and name_shape(name_line.speaker) == "likely"):
        problem = "a time, or a name and a time, written differently from the lines above it"
        raise InputError(f"line {number}", problem, "write all of them in the same format")


def _headings(lines: Sequence[tuple[int, str]]) -> dict[int, NameLine]:
    """Find lines with name and time, by their form or by a name that occurs twice."""
    candidates = {
        number: heading
        for number, line in lines
        if not line.startswith("#")
        and (heading := find_name_line(f"line {number}", line)) is not None
    }
    counts = Counter(heading.speaker for heading in candidates.values())
    first = min(candidates)
    return {
        number: heading
        for number, heading in candidates.items()
        if number == first or name_shape(heading.speaker) == "likely" or counts[heading.speaker] > 1
    }


def _count_from_earliest_date(speeches: Sequence[_Speech], remarks: LineRemarks) -> None:
    """Convert times of day to seconds since the earliest dated line."""
    dated = [speech for speech in speeches if speech.head is not None and speech.head.date]
    if not dated:
        return
    seconds, guess = dates_to_seconds([speech.head for speech in dated if speech.head])
    remarks.add(dated[0].line, _FROM_EARLIEST)
    if guess is not None:
        remarks.add(dated[0].line, guess)
    for speech, start in zip(dated, seconds, strict=True):
        speech.start = start


def _split_where_times_restart(
    speeches: Sequence[_Speech], remarks: LineRemarks
) -> list[list[_Speech]]:
    """Split into conversations at empty lines after which the time goes backwards."""
    groups, latest = [[speeches[0]]], speeches[0].start
    for _, speech in pairwise(speeches):
        back = speech.start is not None and latest is not None and speech.start < latest
        if back and speech.after_gap:
            groups.append([])
        elif back:
            remarks.add(speech.line, EARLIER_START)
        latest = latest if speech.start is None else speech.start
        groups[-1].append(speech)
    return groups


def _number_utterances(stem: str, groups: Iterable[Sequence[_Speech]]) -> Iterator[Conversation]:
    """Number conversations and utterances from 1."""
    for number, group in enumerate(groups, start=1):
        utterances = tuple(
            Utterance(
                id=str(position), text=" ".join(speech.words),
                speaker=speaker_or_unknown(speech.speaker),
                start=speech.start, end=speech.end,
            )
            for position, speech in enumerate(group, start=1)
        )  # fmt: skip
        yield Conversation(id=f"{stem}-{number}", utterances=utterances)
