"""Canaries: small pieces of work that take the same path through the service as real ones."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import resource
import secrets
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from fastapi import HTTPException

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.errors import MmercError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.processes import adopt_environment, end_with_parent
from mmerc.serving.busy import computes_meanwhile
from mmerc.serving.jobs import Jobs
from mmerc.serving.predictor import Predictor
from mmerc.serving.storage_errors import DISK_FULL, is_full
from mmerc.serving.worker_process import answer_canary, worker_process

_SIZE = 65_536  # bytes written to disk
_SAMPLES = 16_000  # one second
_WORKER_DEADLINE = 20.0
_NO_ANSWER = "A worker process ended without an answer."


async def predict_canary(predictor: Predictor) -> str | None:
    """Predict one utterance, through the queue of all requests.

    No problem if the threads are computing other requests and it is not its turn yet.
    """
    utterance = Utterance(id="canary", speaker="canary", text="The canary is singing.")
    conversation = Conversation(id="canary", utterances=(utterance,))
    model = predictor.model
    tables = {} if model.text_encoder is not None else _zeros(model.inputs.widths)
    answer = asyncio.create_task(predictor([conversation], tables))
    try:
        if await computes_meanwhile(answer) and predictor.is_busy:
            return None
        await answer
    except HTTPException as error:
        return str(error.detail)
    finally:
        answer.cancel()
    return None


def _zeros(widths: Mapping[Modality, int]) -> dict[Modality, FeatureTable]:
    """Return the canary's vectors, for a model without text."""
    tables = {}
    for modality, width in widths.items():
        spec = FeatureSpec(modality=modality, extractor="published", dim=width)
        vector = np.zeros(width, dtype=np.float32)
        row = FeatureRow(conversation="canary", utterance="canary", vector=vector)
        tables[modality] = FeatureTable.of(spec, [row])
    return tables


def write_canary(jobs: Jobs) -> str | None:
    """Write, read and delete a file in the jobs' folder, and write to the database."""
    path, content = jobs.root / f"{jobs.CANARY}{secrets.token_hex(8)}", secrets.token_bytes(_SIZE)
    try:
        jobs.check_files()
        _write_read_delete(path, content)
        jobs.check_database()
    except Exception as error:
        if is_full(error):
            return DISK_FULL
        reason = getattr(error, "strerror", None) or str(error)
        return f"The jobs folder cannot be used ({reason.lower()})."
    return None


def _write_read_delete(path: Path, content: bytes) -> None:
    """OSError if a file cannot be written, read back or deleted."""
    try:
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.read_bytes() != content:
            raise OSError("the data read differs from the data written")
    finally:
        path.unlink(missing_ok=True)


def start_worker() -> str | None:
    """Start a worker process as for a job, and wait for its answer."""
    return _ask_worker(answer_canary, deadline=_WORKER_DEADLINE)


def find_workers(jobs: Jobs) -> str | None:
    """Check whether a worker of the shared jobs has recently reported that it is ready."""
    workers = [process for process in jobs.processes() if process.jobs]
    if any(worker.problem is None for worker in workers):
        return None
    problems = [worker.problem for worker in workers if worker.problem]
    return " ".join(problems) or "No worker has reported recently; start one with `mmerc worker`."


def can_transcribe() -> bool:
    """Whether a transcriber is installed, which live sessions need too."""
    return importlib.util.find_spec("faster_whisper") is not None


def transcribe_canary(memory: int, *, deadline: float) -> str | None:
    """Load the transcriber in a worker process and transcribe a second of sound."""
    if not can_transcribe():
        return None  # the service then analyses recordings with subtitles only
    return _ask_worker(_transcribe, memory, deadline=deadline)


def _ask_worker(target: Callable[..., None], *arguments: object, deadline: float) -> str | None:
    """Run a worker process and return its answer: a problem or None."""
    with worker_process(target, *arguments) as (_, receiver):
        if not receiver.poll(deadline):
            return f"A worker process has not answered for {deadline:.0f} s."
        try:
            answer: str | None = receiver.recv()
        except EOFError:
            return _NO_ANSWER
    return answer


def _transcribe(memory: int, sender: Connection, environment: Mapping[str, str]) -> None:
    """Transcribe a second of noise and answer (runs in the worker process)."""
    end_with_parent()
    adopt_environment(environment)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    from mmerc.media.transcription import Transcriber

    try:
        samples = np.random.default_rng(0).normal(scale=0.01, size=_SAMPLES).astype(np.float32)
        segments, _ = Transcriber().whisper.transcribe(samples, beam_size=1, max_new_tokens=1)
        list(segments)
    except MmercError as error:
        sender.send(f"The transcriber cannot be used: {error}")
    except Exception as error:
        sender.send(f"The transcriber fails ({type(error).__name__}).")
    else:
        sender.send(None)
