"""Check how a file would be read, without analysing it: its contents and doubts.

Uses the readers of analysis and training, so reports match their behaviour.
"""

from __future__ import annotations

import mimetypes
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.manifest import read_unlabelled_manifest
from mmerc.corpora.transcript import read_transcript
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import MmercError
from mmerc.inference.pipeline.sentence_utterances import number_sentences
from mmerc.media.decode import MediaInfo, Reason, probe, read_sound
from mmerc.media.embedded_subtitles import embedded_subtitle_remarks
from mmerc.media.segment import MediaError
from mmerc.media.sentences import split_sentences
from mmerc.media.sound_remarks import sound_remarks
from mmerc.media.speaker_turns import read_rttm
from mmerc.media.speakers.channels import channel_remarks
from mmerc.media.subtitles import read_subtitles
from mmerc.media.word_files.reader import read_words

_Facts = dict[str, Any]
_Check = tuple[_Facts, tuple[str, ...]]  # and remarks
_HEAD_BYTES = 4096
_SUFFIXES = {
    ".srt": "subtitles",
    ".vtt": "subtitles",
    ".ass": "subtitles",
    ".ssa": "subtitles",
    ".sbv": "subtitles",
    ".rttm": "speaker turns",
    ".ctm": "words with times",
    ".json": "words with times",
    ".jsonl": "manifest",
    ".txt": "transcript",
    ".csv": "transcript",
    ".tsv": "transcript",
}
_SIGNS = (
    (re.compile(rb"SPEAKER\s"), "speaker turns"),
    (re.compile(rb"WEBVTT|\[Script Info\]|(?s:.{0,2000})(?:-->|Dialogue:)"), "subtitles"),
    (re.compile(rb"(?:;;[^\n]*\n)*\S+\s+[A-Z\d]\s+\d*\.?\d+\s+\d*\.?\d+\s+\S"), "words with times"),
    (
        re.compile(rb"\[\s*\{|\{(?s:.{0,2000})\"(?:segments|transcription|word_segments)\""),
        "words with times",
    ),
    (re.compile(rb"\{"), "manifest"),
)
_SLACK = 0.5  # seconds that the last cue may extend past the recording


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """The report on one file.

    ``kind``: recording, subtitles, speaker turns, words with times, transcript, manifest or
    prepared corpus.
    ``facts``: its contents, by name (times in seconds). ``remarks``: doubts. ``problem``: why it
    cannot be read; None if it can.
    """

    path: str
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "path": self.path,
            "kind": self.kind,
            "facts": dict(self.facts),
            "remarks": list(self.remarks),
            "problem": self.problem,
        }


def check_file(path: str | Path, *, media: str | Path | None = None) -> FileReport:
    """Read a recording, subtitles, RTTM, words, transcript, manifest or corpus, and describe it.

    The kind is detected by suffix, else by content. ``media`` is the recording that turns or words
    of several recordings are for. Only the ends of a recording, and the parts needed to check its
    channels, are decoded. Never raises for a bad file; see ``problem``.
    """
    path = Path(path)
    kind = _find_kind(path)
    try:
        facts, remarks = _list_checks(media)[kind](path)
    except MmercError as error:
        return FileReport(path=str(path), kind=kind, problem=str(error))
    return FileReport(path=str(path), kind=kind, facts=facts, remarks=remarks)


def check_files(paths: Iterable[str | Path]) -> list[FileReport]:
    """Check each file; with a single recording, also find utterances after its end."""
    named = [Path(path) for path in paths]
    recordings = [path for path in named if _find_kind(path) == "recording"]
    media = recordings[0] if len(recordings) == 1 else None
    reports = [check_file(path, media=media) for path in named]
    lengths = [r.facts["seconds"] for r in reports if r.kind == "recording" and r.facts]
    if len(lengths) != 1 or lengths[0] is None:
        return reports
    return [_with_late_end(report, lengths[0]) for report in reports]


def _with_late_end(report: FileReport, seconds: float) -> FileReport:
    """Add a remark if the utterances end after the recording."""
    end = report.facts.get("to")
    if end is None or end <= seconds + _SLACK:
        return report
    late = (
        f"{Path(report.path).name} continues to {end:.1f} s; the recording ends at {seconds:.1f} s."
    )
    return replace(report, remarks=(*report.remarks, late))


def _find_kind(path: Path) -> str:
    """Detect the kind of a file by its suffix, else by the start of its content.

    A web page or a pointer that was saved under a recording's name is a bad recording.
    """
    kind = "prepared corpus" if path.is_dir() else _SUFFIXES.get(path.suffix.lower())
    if kind is not None:
        return kind
    if (path.exists() and not path.is_file()) or _is_named_recording(path):
        return "recording"  # a pipe or device is not read here
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \n")
    except OSError:
        return "recording"
    if b"\0" in head or not head:
        return "recording"
    return next((kind for sign, kind in _SIGNS if sign.match(head)), "transcript")


def _is_named_recording(path: Path) -> bool:
    """Whether a file has the suffix of sound or film."""
    stated, _ = mimetypes.guess_type(path.name)
    return stated is not None and stated.startswith(("audio/", "video/"))


def _check_recording(path: Path) -> _Check:
    """Check streams, duration and the end of the sound."""
    info = probe(path)
    facts: _Facts = {"seconds": info.duration, "channels": info.channels if info.has_sound else 0}
    if info.has_film:
        facts |= {"width": info.width, "height": info.height, "frames_per_second": info.frame_rate}
    if not info.has_sound and not info.has_film:
        raise Reason.NO_SOUND.at(path)
    return facts, tuple(_recording_remarks(path, info))


def _recording_remarks(path: Path, info: MediaInfo) -> Iterable[str]:
    """Collect remarks on a recording and its embedded subtitles."""
    yield from embedded_subtitle_remarks(path)
    if not info.has_sound:
        yield "No sound: nothing can be transcribed; give its subtitles."
        return
    if not info.has_film:
        yield "No film: faces have no part in the analysis."
    if info.parts > 1:
        yield f"{info.parts} recordings, joined end to end; they are read as one."
    yield from sound_remarks(path)
    yield from channel_remarks(path)
    try:
        start = max((info.duration or 0.0) - 1.0, 0.0)
        samples = read_sound(path, start=start, end=start + 1.0)
        if info.duration and not samples.any():
            yield "The last second is digital silence."
    except MediaError as error:
        yield f"The end of the sound cannot be read: {error.reason}."


def _check_subtitles(path: Path) -> _Check:
    """Describe the utterances of a subtitle file."""
    subtitles = read_subtitles(path)
    return _describe_utterances(subtitles.utterances), subtitles.remarks


def _check_turns(path: Path, *, media: str | Path | None) -> _Check:
    """Describe the turns of an RTTM file."""
    speaker_turns = read_rttm(path, media=media)
    seconds: dict[str, float] = {}
    for turn in speaker_turns.turns:
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.end - turn.start
    facts: _Facts = {
        "turns": len(speaker_turns.turns),
        "from": speaker_turns.turns[0].start,
        "to": max(turn.end for turn in speaker_turns.turns),
        "seconds_of_speakers": {name: round(total, 3) for name, total in seconds.items()},
    }
    return facts, speaker_turns.remarks


def _check_words(path: Path, *, media: str | Path | None) -> _Check:
    """Describe words from another transcriber, and the utterances they give without turns."""
    timed = read_words(path, media=media)
    utterances, _ = number_sentences(split_sentences(timed.words))
    facts = _describe_utterances(utterances)
    return facts | {"language": timed.language}, timed.remarks


def _check_transcript(path: Path) -> _Check:
    """Describe the conversations of a transcript."""
    transcript = read_transcript(path)
    return _describe_conversations(transcript), transcript.remarks


def _check_manifest(path: Path) -> _Check:
    """Describe the conversations of a manifest, labelled or not."""
    manifest = read_unlabelled_manifest(path)
    facts = _describe_conversations(manifest.conversations)
    return facts | {"features": sorted(manifest.features)}, manifest.remarks


def _check_corpus(path: Path) -> _Check:
    """Describe the splits, labels and vectors of a prepared corpus."""
    corpus = PreparedCorpus.load(path)
    conversations = [item for split in corpus.splits.values() for item in split]
    facts = {"name": corpus.name, "labels": list(corpus.labels), "splits": corpus.counts()}
    features = {
        modality: f"{table.spec.extractor}, {table.spec.dim} wide"
        for modality, table in corpus.features.items()
    }
    return facts | _describe_conversations(conversations) | {"features": features}, corpus.remarks


def _describe_conversations(conversations: Iterable[Conversation]) -> _Facts:
    """Count over all conversations; give times if there is only one."""
    items = list(conversations)
    facts = _describe_utterances([item for group in items for item in group.utterances])
    if len(items) != 1:
        facts = {name: value for name, value in facts.items() if name not in {"from", "to"}}
    return {"conversations": len(items)} | facts


def _describe_utterances(utterances: Iterable[Utterance]) -> _Facts:
    """Count utterances, words and speakers; give start and end in seconds."""
    items = list(utterances)
    starts = [item.start for item in items if item.start is not None]
    ends = [item.end for item in items if item.end is not None]
    return {
        "utterances": len(items),
        "with_times": len(starts),
        "words": sum(len(item.text.split()) for item in items),
        "from": min(starts, default=None),
        "to": max([*starts, *ends], default=None),
        "speakers": dict(Counter(item.speaker for item in items).most_common()),
    }


def _list_checks(media: str | Path | None) -> Mapping[str, Callable[[Path], _Check]]:
    """Return the check of each kind of file; ``media`` chooses among several recordings."""
    return {
        "recording": _check_recording,
        "subtitles": _check_subtitles,
        "speaker turns": partial(_check_turns, media=media),
        "words with times": partial(_check_words, media=media),
        "transcript": _check_transcript,
        "manifest": _check_manifest,
        "prepared corpus": _check_corpus,
    }
