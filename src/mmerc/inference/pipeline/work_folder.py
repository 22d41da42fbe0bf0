"""Intermediate results of an analysis, for resuming after an interruption."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmerc.conversation import Utterance
from mmerc.errors import InputError, MmercError
from mmerc.files import file_lock, fingerprint, read_json, write_error, write_json, write_text
from mmerc.media.sentences import Word
from mmerc.media.speaker_turns import Turn
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span

_LOCK, _DESCRIPTION = ".lock", "analysis.json"


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """A folder of intermediate results for one recording and one set of settings."""

    folder: Path

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, of: Mapping[str, Any]) -> Iterator[WorkFolder]:
        """Lock the folder for one analysis, discarding results that do not belong to ``of``.

        InputError if another analysis is using it, or if it contains other files. A failure before
        the first slow stage leaves no files.
        """
        with _lock_work(folder):
            work = cls(folder)
            work.claim(json.dumps(dict(of), indent=2, sort_keys=True) + "\n")
            try:
                yield work
            except MmercError:
                if not any(folder.glob("words*")) and not any(folder.glob("vectors*")):
                    shutil.rmtree(folder)
                raise

    def claim(self, description: str) -> None:
        """Keep the folder's contents if they match ``description``, else discard them."""
        described = self.folder / _DESCRIPTION
        others = [path for path in self.folder.iterdir() if not _is_bookkeeping(path)]
        if others and not described.is_file():
            problem = f"contains {others[0].name}, which does not belong to an analysis"
            raise InputError(self.folder, problem, "choose another folder for the work")
        if described.is_file() and described.read_bytes() != description.encode():
            for path in others:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_text(described, description)

    def vectors(self, utterances: Sequence[Utterance]) -> Path:
        """Return the folder for features of utterances with these ids and times."""
        times = [[item.id, item.start, item.end] for item in utterances]
        return self.folder / f"vectors-{fingerprint(times)[:12]}"

    def spans(self) -> tuple[Span, ...] | None:
        """Return the speech spans, or None if not yet detected."""
        path = self.folder / "speech.json"
        if not path.is_file():
            return None
        value = read_json(path)
        return tuple(Span(start, end) for start, end in value) if isinstance(value, list) else None

    def keep_spans(self, spans: tuple[Span, ...]) -> None:
        write_json(self.folder / "speech.json", [[span.start, span.end] for span in spans])

    def turns(self) -> tuple[Turn, ...] | None:
        """Return the speaker turns, or None if not yet detected."""
        path = self.folder / "turns.json"
        if not path.is_file():
            return None
        value = read_json(path)
        return tuple(Turn(**turn) for turn in value) if isinstance(value, list) else None

    def keep_turns(self, turns: tuple[Turn, ...]) -> None:
        write_json(self.folder / "turns.json", [asdict(turn) for turn in turns])

    def transcripts(self) -> list[Transcript]:
        """Return the transcripts so far, in order, up to the first incomplete line."""
        path = self.folder / "words.jsonl"
        transcripts: list[Transcript] = []
        if path.is_file():
            for line in path.read_bytes().split(b"\n")[:-1]:
                try:
                    transcripts.append(_parse_transcript(json.loads(line)))
                except (ValueError, KeyError, TypeError):  # truncated by a power failure
                    break
        return transcripts

    @contextmanager
    def keeping_transcripts(self) -> Iterator[Callable[[Transcript], None]]:
        """Yield a function that appends one transcript."""
        path = self.folder / "words.jsonl"
        write_text(path, "".join(map(_format_transcript, self.transcripts())))

        def keep(transcript: Transcript) -> None:
            try:
                with open(path, "a", encoding="utf-8") as file:
                    file.write(_format_transcript(transcript))
            except OSError as error:
                raise write_error(path, error) from error

        yield keep


def _format_transcript(transcript: Transcript) -> str:
    """Format a transcript as one line of JSON."""
    return json.dumps(asdict(transcript)) + "\n"


def _parse_transcript(value: Mapping[str, Any]) -> Transcript:
    """Read a line written by ``_format_transcript``."""
    return Transcript(
        span=Span(**value["span"]),
        text=value["text"],
        language=value["language"],
        uncertain=value["uncertain"],
        words=tuple(Word(**word) for word in value["words"]),
    )


def _is_bookkeeping(path: Path) -> bool:
    """Whether a file is the lock, the description, or a partial copy of it."""
    return path.name in {_LOCK, _DESCRIPTION} or path.name.startswith(f".{_DESCRIPTION}.")


@contextmanager
def _lock_work(folder: Path) -> Iterator[None]:
    """Create and lock the folder; InputError if another analysis is using it."""
    with file_lock(folder / _LOCK) as acquired:
        if not acquired:
            problem = "another analysis is using it"
            raise InputError(folder, problem, "wait until it ends, or choose another --out")
        yield


def discard_work(folder: str | Path) -> None:
    """Delete the intermediate results of an analysis unless another analysis uses them."""
    folder = Path(folder)
    try:
        with _lock_work(folder):
            shutil.rmtree(folder, ignore_errors=True)
    except InputError:
        return
