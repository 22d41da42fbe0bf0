"""What an analysis has found so far, kept until its results are safe: a killed one goes on."""

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
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span

LOCK, DESCRIBED = ".lock", "analysis.json"


@dataclass(frozen=True, slots=True)
class Work:
    """A folder of intermediate results that belong to one recording and one way of reading it."""

    folder: Path

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, of: Mapping[str, Any]) -> Iterator[Work]:
        """Give the folder to one analysis; what was found for anything but ``of`` is thrown away.

        InputError where another analysis is at work in it, or where it holds other things. A
        failure before anything slow was found leaves nothing behind.
        """
        with locked(folder):
            work = cls(folder)
            work.take_over(json.dumps(dict(of), indent=2, sort_keys=True) + "\n")
            try:
                yield work
            except MmercError:
                if not any(folder.glob("words*")) and not any(folder.glob("vectors*")):
                    shutil.rmtree(folder)
                raise

    def take_over(self, description: str) -> None:
        """Make the folder that of an analysis with this description."""
        described = self.folder / DESCRIBED
        others = [path for path in self.folder.iterdir() if not is_ours(path)]
        if others and not described.is_file():
            problem = f"holds {others[0].name}, which is of no analysis"
            raise InputError(self.folder, problem, "choose another folder for the work")
        if described.is_file() and described.read_bytes() != description.encode():
            for path in others:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_text(described, description)

    def vectors(self, utterances: Sequence[Utterance]) -> Path:
        """Where the vectors of utterances stand that lie at these times."""
        places = [[item.id, item.start, item.end] for item in utterances]
        return self.folder / f"vectors-{fingerprint(places)[:12]}"

    def spans(self) -> tuple[Span, ...] | None:
        """Spans of speech, if they were found before."""
        path = self.folder / "speech.json"
        if not path.is_file():
            return None
        value = read_json(path)
        return tuple(Span(start, end) for start, end in value) if isinstance(value, list) else None

    def keep_spans(self, spans: tuple[Span, ...]) -> None:
        write_json(self.folder / "speech.json", [[span.start, span.end] for span in spans])

    def transcripts(self) -> list[Transcript]:
        """What was transcribed before, in order, up to a line that a kill truncated."""
        path = self.folder / "words.jsonl"
        found: list[Transcript] = []
        if path.is_file():
            for line in path.read_bytes().split(b"\n")[:-1]:
                try:
                    found.append(transcript_from(json.loads(line)))
                except (ValueError, KeyError, TypeError):  # the disk lost it with its power
                    break
        return found

    @contextmanager
    def keeping_transcripts(self) -> Iterator[Callable[[Transcript], None]]:
        """Give a function that keeps one transcript after the other."""
        path = self.folder / "words.jsonl"
        write_text(path, "".join(map(line_of, self.transcripts())))

        def keep(transcript: Transcript) -> None:
            try:
                with open(path, "a", encoding="utf-8") as file:
                    file.write(line_of(transcript))
            except OSError as error:
                raise write_error(path, error) from error

        yield keep


def line_of(transcript: Transcript) -> str:
    """A transcript as it is kept."""
    return json.dumps(asdict(transcript)) + "\n"


def transcript_from(value: Mapping[str, Any]) -> Transcript:
    """A transcript as it was kept."""
    return Transcript(
        span=Span(**value["span"]),
        text=value["text"],
        language=value["language"],
        uncertain=value["uncertain"],
    )


def is_ours(path: Path) -> bool:
    """Whether it stands in every folder of work: the lock, and the description, torn or whole."""
    return path.name in {LOCK, DESCRIBED} or path.name.startswith(f".{DESCRIBED}.")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and keep all others out of it; InputError where another one is in it."""
    with file_lock(folder / LOCK) as alone:
        if not alone:
            problem = "another analysis is at work in it"
            raise InputError(folder, problem, "wait for its end, or choose another --out")
        yield


def discard(folder: Path) -> None:
    """Throw an analysis's work away once its results are safe, if nobody else is in it by now."""
    try:
        with locked(folder):
            shutil.rmtree(folder, ignore_errors=True)
    except InputError:
        return
