"""What an analysis has found so far, kept until it is finished: a killed one goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmerc.files import read_json, write_json
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span


@dataclass(frozen=True, slots=True)
class Work:
    """A folder of intermediate results that belong to one recording and one way of reading it."""

    folder: Path

    @classmethod
    def open(cls, folder: Path, *, of: Mapping[str, Any]) -> Work:
        """Open the folder; what was found for anything but ``of`` is thrown away."""
        described = folder / "analysis.json"
        if described.is_file() and read_json(described) != dict(of):
            shutil.rmtree(folder)
        if not described.is_file():
            write_json(described, dict(of))
        return cls(folder)

    def close(self) -> None:
        """Throw it all away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def vectors(self) -> Path:
        return self.folder / "vectors"

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
        """What was transcribed before, in order; a line that a kill cut short does not count."""
        path = self.folder / "words.jsonl"
        if not path.is_file():
            return []
        whole = path.read_bytes().split(b"\n")[:-1]
        return [transcript_from(json.loads(line)) for line in whole]

    @contextmanager
    def keeping_transcripts(self) -> Iterator[Callable[[Transcript], None]]:
        """Give a function that keeps one transcript after the other."""
        path = self.folder / "words.jsonl"
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content[: content.rfind(b"\n") + 1])
        with open(path, "a", encoding="utf-8") as file:

            def keep(transcript: Transcript) -> None:
                file.write(json.dumps(asdict(transcript), ensure_ascii=False) + "\n")
                file.flush()

            yield keep


def transcript_from(value: Mapping[str, Any]) -> Transcript:
    """A transcript as it was kept."""
    return Transcript(
        span=Span(**value["span"]),
        text=value["text"],
        language=value["language"],
        uncertain=value["uncertain"],
    )
