"""Read subtitles as utterances: SRT, WebVTT, SBV and ASS/SSA with times, words and speakers.

Steps: cues with raw text (timed_cues, ass_dialogue), plain lines (cue_text), removing repeats of
rolling captions (rolling_captions), and speakers (speaker_labels, cue_turns). Uncertain decisions
become remarks with the line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, pairwise
from pathlib import Path

from mmerc.conversation import Utterance
from mmerc.errors import InputError
from mmerc.media.ass_dialogue import read_ass_cues
from mmerc.media.cue_scripts import find_two_scripts
from mmerc.media.cue_text import WORD_TIME, only_sounds, split_voices
from mmerc.media.cue_turns import CHANGE, CuePart, beginnings, split_turns
from mmerc.media.file_signatures import recognise_format
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.rolling_captions import CueLines, roll_is_visible, unroll
from mmerc.media.similar_names import similar_name_remarks
from mmerc.media.speaker_labels import SpeakerNames, find_label, name_in_brackets
from mmerc.media.speaker_turns import speaker_or_unknown
from mmerc.media.text_files import read_small_text
from mmerc.media.timed_cues import Cue, read_timed_cues

FORMATS = {".srt": "srt", ".vtt": "vtt", ".ass": "ass", ".ssa": "ass"}
_MOST_CUES = 100_000
_LONGEST_CUE = 10_000  # characters with markup; spoken lines have a few dozen

_BELOW_ZERO = "times below zero are read as 0"
_REVERSED = "a cue ends before it starts; its words are kept without sound and face"
_NO_LENGTH = "a cue has no length; its words are kept without sound and face"
_NO_WORDS = "no words (nothing, music, or described sounds), left out"
_EARLIER = "a cue begins before the one above it; cues are sorted by start"
_DOUBLED = "most cues occur twice at the same time, as in two languages; all of them are read"
_TWO_SCRIPTS = (
    "most cues have lines in two scripts ({} and {}), as in two languages; all lines of a cue are "
    "read as its words (to use one language, remove the lines of the other)"
)
_REPEATED = "a cue repeats the previous one and is joined to it"
UNNAMED = "the speaker is not named"
DOUBTFUL = "read as a speaker's name, though it occurs once"
REJECTED = "kept as words, though it may be a speaker's name"
_BRACKETS = "kept as words, though it may be a speaker's name or a described sound"
_WITH_SUBTITLES = {"matroska", "mov"}  # Matroska and WebM, MP4 and MOV
_HEAD = 8  # bytes by which these are recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtitles:
    """The utterances of a subtitle file, with remarks on reading it.

    ``language``: the code stated in a film, else None.
    """

    utterances: tuple[Utterance, ...]
    remarks: tuple[str, ...] = ()
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimedPart:
    """One speaker's text in a cue, with its share of the cue's time in milliseconds."""

    line: int
    start: int | None
    end: int | None
    speaker: str
    text: str


def read_subtitles(path: str | Path) -> Subtitles:
    """Read utterances ``1``, ``2``, ... of a subtitle file, sorted by start, times in seconds.

    The format is given by the suffix, or by the content if the suffix is unknown or no cue has that
    format; SBV and whisper.cpp's output are read like SRT. Markup is removed, line breaks become
    spaces, character references are resolved. The speaker comes from ``<v Name>``, ASS's name field
    or a label in the text, else it is "unknown". Lines of rolling captions are kept once. The time
    of a cue with several speakers is divided by text length. Overlapping cues are kept. Utterances
    with unreadable times have none and keep their position in the file; those of cues without
    duration start and end at the same time. All rules: docs/formats.md.

    For a film (Matroska, MP4), the embedded subtitles are read; cue numbers are used as lines.

    Every cue is either read or mentioned in a remark with its line.

    InputError for a file without readable times, with more than 100,000 cues or 16 MB, with a cue
    of more than 10,000 characters, or that is neither UTF-8 nor UTF-16 with a byte-order mark.
    """
    path = Path(path)
    if _is_film(path):
        return _read_film(path)
    text = read_small_text(path)
    for kind in _likely_formats(path, text):
        remarks = LineRemarks(path.name)
        cues = _read_cues(path, text, kind, remarks)
        if cues:
            utterances = _build_utterances(path, cues, ass=kind == "ass", remarks=remarks)
            return Subtitles(utterances=utterances, remarks=_all_remarks(path, utterances, remarks))
    problem = "no cue of SRT, WebVTT or ASS/SSA subtitles was found"
    raise InputError(path, problem, "check that it is a subtitle file, or convert it")


def _is_film(path: Path) -> bool:
    """Whether a file is a container that may have embedded subtitles, by its first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return recognise_format(head) in _WITH_SUBTITLES


def _read_film(path: Path) -> Subtitles:
    """Read the embedded subtitles of a film, which FFmpeg provides as ASS lines."""
    from mmerc.media.embedded_subtitles import read_embedded_subtitles  # imports the decoders

    embedded, remarks = read_embedded_subtitles(path), LineRemarks(path.name)
    _check_count(path, len(embedded.cues))
    utterances = _build_utterances(path, embedded.cues, ass=True, remarks=remarks)
    return Subtitles(
        utterances=utterances,
        remarks=(*embedded.remarks, *_all_remarks(path, utterances, remarks)),
        language=embedded.language,
    )


def _all_remarks(
    path: Path, utterances: Iterable[Utterance], remarks: LineRemarks
) -> tuple[str, ...]:
    """Return all remarks on a file, with those on similar names of speakers."""
    speakers = (utterance.speaker for utterance in utterances)
    return (*remarks.sentences(), *similar_name_remarks(path.name, speakers))


def _build_utterances(
    path: Path, cues: Sequence[Cue], *, ass: bool, remarks: LineRemarks
) -> tuple[Utterance, ...]:
    """Build the utterances of all cues."""
    _check_cues(path, cues)
    parts = _timed_parts(cues, ass=ass, remarks=remarks)
    if not ass:  # whose events are often grouped by style
        _note_order(parts, remarks)
    _note_doubled(parts, remarks)
    return _number_parts(_join_repeats(_sort_parts(parts), remarks))


def _likely_formats(path: Path, text: str) -> tuple[str, ...]:
    """Return the formats to try: WebVTT by its header, else by suffix, then by content."""
    if text.lstrip("\ufeff \n").startswith("WEBVTT"):
        return ("vtt",)
    likely = "ass" if "Dialogue:" in text else "srt"
    suffix = FORMATS.get(path.suffix.lower(), likely)
    return tuple(dict.fromkeys(("srt" if suffix == "vtt" else suffix, likely)))


def _read_cues(path: Path, text: str, kind: str, remarks: LineRemarks) -> list[Cue]:
    """Read the cues in one format; none if the file has no such cues."""
    _check_count(path, text.count("Dialogue:" if kind == "ass" else "-->"))
    if kind == "ass":
        cues = read_ass_cues(text, remarks=remarks)
    else:
        cues = read_timed_cues(text, webvtt=kind == "vtt", remarks=remarks)
    _check_count(path, len(cues))
    return cues


def _check_count(path: Path, count: int) -> None:
    """Refuse an excessive number of cues."""
    if count > _MOST_CUES:
        problem = f"more than {_MOST_CUES:,} cues"
        raise InputError(path, problem, "check that it is a subtitle file, or split it into parts")


def _check_cues(path: Path, cues: Sequence[Cue]) -> None:
    """Refuse overlong cues, and files without a readable time."""
    for cue in cues:
        if len(cue.text) > _LONGEST_CUE:
            where = f"{path}, line {cue.line}"
            problem = f"the cue has {len(cue.text):,} characters"
            raise InputError(where, problem, "check that it is a subtitle file, or split the cue")
    if all(cue.start is None for cue in cues):
        where = f"{path}, line {cues[0].line}"
        problem = "no cue in the file has readable times"
        raise InputError(where, problem, "write them as 00:00:01,500 --> 00:00:03,000")


def _timed_parts(cues: Sequence[Cue], *, ass: bool, remarks: LineRemarks) -> list[_TimedPart]:
    """Split cues by speaker, in file order."""
    lines = [item for cue in cues for item in _plain_cues(cue, ass=ass, remarks=remarks)]
    if roll_is_visible(lines):
        remarks.add(lines[0].line, "rolling captions: each line is read once")
        lines = unroll(lines)
    _note_two_scripts(lines, remarks)
    labelled = [cue for cue in lines if cue.lines and not cue.voice]
    starts = [[text for _, text in beginnings(cue)] for cue in labelled]
    names = SpeakerNames.choose(chain(*starts), [next(iter(texts), "") for texts in starts])
    chevrons = any(CHANGE.search(line) for cue in lines for line in cue.lines)
    parts: list[_TimedPart] = []
    for cue in lines:
        _note_labels(cue, names, remarks)
        turns = split_turns(cue, names)
        spoken = [turn for turn in turns if not only_sounds(turn.text)]
        if not spoken or len(spoken) < len(turns):
            remarks.add(cue.line, _NO_WORDS)
        if chevrons and spoken and parts and not spoken[0].speaker and not spoken[0].changes:
            spoken[0] = replace(spoken[0], speaker=parts[-1].speaker)
        parts += _share_out(cue, spoken)
    _note_unnamed(parts, chevrons, remarks)
    return parts


def _note_two_scripts(cues: Sequence[CueLines], remarks: LineRemarks) -> None:
    """Remark if most cues have lines in two scripts."""
    scripts = find_two_scripts(cue.lines for cue in cues)
    if scripts is not None:
        remarks.add(cues[0].line, _TWO_SCRIPTS.format(*scripts))


def _plain_cues(cue: Cue, *, ass: bool, remarks: LineRemarks) -> Iterator[CueLines]:
    """Yield the plain lines of a cue, one item per voice, with corrected times."""
    start, end = cue.start, cue.end
    if start is not None and end is not None:
        if min(start, end) < 0:
            remarks.add(cue.line, _BELOW_ZERO)
            start, end = max(start, 0), max(end, 0)
        if end <= start:
            remarks.add(cue.line, _NO_LENGTH if end == start else _REVERSED)
            end = start
    voices = list(split_voices(cue.text, name=cue.name, ass=ass))
    if not voices:
        remarks.add(cue.line, _NO_WORDS)
    total = sum(len(line) for _, lines in voices for line in lines) or 1
    position = 0
    for voice, lines in voices:
        begin, position = position, position + sum(map(len, lines))
        yield CueLines(
            line=cue.line,
            start=share(start, end, begin, total),
            end=share(start, end, position, total) if len(voices) > 1 else end,
            lines=lines,
            voice=voice,
            word_times=WORD_TIME.search(cue.text) is not None,
        )


def share(start: int | None, end: int | None, part: int, total: int) -> int | None:
    """Interpolate the time at ``part`` of ``total`` characters."""
    return None if start is None or end is None else start + (end - start) * part // total


def _share_out(cue: CueLines, spoken: Iterable[CuePart]) -> Iterator[_TimedPart]:
    """Divide a cue's time among its speakers in proportion to their text."""
    parts = list(spoken)
    ends = list(accumulate(len(part.text) for part in parts))
    for part, end in zip(parts, ends, strict=True):
        yield _TimedPart(
            line=cue.line,
            start=share(cue.start, cue.end, end - len(part.text), ends[-1]),
            end=share(cue.start, cue.end, end, ends[-1]),
            speaker=part.speaker,
            text=part.text,
        )


def _note_labels(cue: CueLines, names: SpeakerNames, remarks: LineRemarks) -> None:
    """Remark on ambiguous labels."""
    if cue.voice:
        return
    for mark, text in beginnings(cue):
        label = find_label(text)
        if label is None:
            bracketed = name_in_brackets(text)
            if bracketed and bracketed.speaker not in names.trusted:
                remarks.add(cue.line, _BRACKETS, quote=bracketed.speaker)
        elif label.speaker in names.doubtful and not mark:
            remarks.add(cue.line, DOUBTFUL, quote=label.speaker)
        elif label.speaker in names.rejected:
            remarks.add(cue.line, REJECTED, quote=label.speaker)


def _note_unnamed(parts: Sequence[_TimedPart], marked: bool, remarks: LineRemarks) -> None:
    """Remark on unnamed speakers if others are named or marks indicate changes."""
    unnamed = [part for part in parts if not part.speaker]
    if marked or len(unnamed) < len(parts):
        for part in unnamed:
            remarks.add(part.line, UNNAMED)


def _note_order(parts: Iterable[_TimedPart], remarks: LineRemarks) -> None:
    """Remark on cues out of order: two files may have been joined without shifting the second."""
    timed = [part for part in parts if part.start is not None]
    for before, part in pairwise(timed):
        if (part.start or 0) < (before.start or 0):
            remarks.add(part.line, _EARLIER)


def _note_doubled(parts: Sequence[_TimedPart], remarks: LineRemarks) -> None:
    """Remark if most cues share their times with another one and nobody is named."""
    unnamed = [part for part in parts if part.start is not None and not part.speaker]
    times = Counter((part.start, part.end) for part in unnamed)
    doubled = [part for part in unnamed if times[part.start, part.end] > 1]
    if len(doubled) > 2 and 2 * len(doubled) > len(parts):
        remarks.add(doubled[0].line, _DOUBLED)


def _sort_parts(parts: Iterable[_TimedPart]) -> list[_TimedPart]:
    """Sort parts by start; a part without times stays after its predecessor in the file."""
    latest, keyed = 0, []
    for part in parts:
        latest = latest if part.start is None else part.start
        keyed.append((latest, part))
    return [part for _, part in sorted(keyed, key=lambda pair: pair[0])]


def _join_repeats(parts: Iterable[_TimedPart], remarks: LineRemarks) -> list[_TimedPart]:
    """Remove parts that only repeat the previous one during its time."""
    result: list[_TimedPart] = []
    for part in parts:
        last = result[-1] if result else None
        if last is not None and _repeats(last, part):
            remarks.add(part.line, _REPEATED)
            result[-1] = replace(last, end=max(last.end or 0, part.end or 0))
        else:
            result.append(part)
    return result


def _repeats(last: _TimedPart, part: _TimedPart) -> bool:
    """Whether a part repeats the text and speaker of the previous one during its time."""
    if last.end is None or part.start is None or part.start > last.end:
        return False
    return (last.speaker, last.text) == (part.speaker, part.text)


def _number_parts(parts: Iterable[_TimedPart]) -> tuple[Utterance, ...]:
    """Number the utterances and convert times to seconds."""
    return tuple(
        Utterance(
            id=str(number),
            speaker=speaker_or_unknown(part.speaker),
            text=part.text,
            start=None if part.start is None else part.start / 1000,
            end=None if part.end is None else part.end / 1000,
        )
        for number, part in enumerate(parts, start=1)
    )
