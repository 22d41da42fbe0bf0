"""Predictions for concurrent requests, computed in batches by one thread per core."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from fastapi import HTTPException

from mmerc.conversation import Conversation, Modality
from mmerc.errors import InputError
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel
from mmerc.prediction.prediction_sets import check_set_request
from mmerc.prediction.set_request import SetRequest
from mmerc.prediction.utterance_prediction import UtterancePrediction
from mmerc.prediction.utterance_predictions import predict
from mmerc.prediction.window_encoding import encode_in_few_shapes

_BATCH_UTTERANCES = 128  # larger batches are not faster and increase waiting
_BATCH_CONVERSATIONS = 16  # the batch size of prediction
_MAX_WAIT = 30.0  # seconds
_MAX_QUEUE = 256  # requests
_Tables = Mapping[Modality, FeatureTable]


@dataclass(slots=True)
class PendingRequest:
    """Conversations waiting for prediction."""

    conversations: Sequence[Conversation]
    tables: _Tables
    answer: asyncio.Future[list[UtterancePrediction]]
    sets: SetRequest | None = None

    def __len__(self) -> int:
        return sum(map(len, self.conversations))


@dataclass
class Predictor:
    """A model loaded once; ``__call__`` queues requests and ``run`` answers them.

    Every thread uses one core. Multi-threaded matrix products wait for each other, and took three
    times as long on two busy cores (benchmarks/bench_service.py).

    Text is encoded in bfloat16 on CPUs where it is fast: probabilities then differ by a few
    thousandths from those of ``mmerc predict``. ``batches``: when the current ones began.
    """

    model: AnyModel
    name: str
    queue: asyncio.Queue[PendingRequest] = field(default_factory=lambda: asyncio.Queue(_MAX_QUEUE))
    threads: int = field(default_factory=torch.get_num_threads)
    batches: list[float] = field(default_factory=list)

    @property
    def is_busy(self) -> bool:
        """Whether batches are being computed, none of them longer than a request may wait."""
        return bool(self.batches) and time.monotonic() - min(self.batches) < _MAX_WAIT

    async def __call__(
        self,
        conversations: Sequence[Conversation],
        tables: _Tables,
        sets: SetRequest | None = None,
    ) -> list[UtterancePrediction]:
        """Predict every utterance, with prediction sets if ``sets`` is given.

        InputError for input that the model cannot use, HTTPException for too many requests.
        """
        self.check(conversations, tables)
        if sets is not None:
            check_set_request(self.model, sets, self.name)
        answer = asyncio.get_running_loop().create_future()
        request = PendingRequest(conversations, tables, answer, sets)
        try:
            self.queue.put_nowait(request)
            async with asyncio.timeout(_MAX_WAIT):
                return await request.answer
        except asyncio.QueueFull as error:
            detail = "Too many requests are waiting; try again in a second."
            raise HTTPException(429, detail, headers={"Retry-After": "1"}) from error
        except TimeoutError as error:
            raise HTTPException(
                503, "The prediction took too long; send less at a time."
            ) from error

    def check(self, conversations: Sequence[Conversation], tables: _Tables) -> None:
        """InputError for input that the model would reject, which would fail the whole batch."""
        widths = self.model.inputs.widths
        for modality, table in tables.items():
            if modality in widths and table.spec.dim != widths[modality]:
                expected = f"the model expects {widths[modality]}"
                problem = f"vectors of {table.spec.dim} numbers, where {expected}"
                raise InputError(
                    f"features of {modality}", problem, "extract them as for the model's training"
                )
        modalities = self.model.inputs.output_widths.keys()
        spoken = any(item.text.strip() for c in conversations for item in c.utterances)
        read = self.model.text_encoder is not None and spoken
        if modalities and not (read or modalities & tables.keys()):
            problem = f"contains no {' or '.join(modalities)}, which the model needs"
            raise InputError("request", problem, "send what the model was trained on")

    async def run(self) -> None:
        """Answer queued requests in batches, until cancelled."""
        pool = ThreadPoolExecutor(
            self.threads,
            thread_name_prefix="predictions",
            initializer=partial(torch.set_num_threads, 1),
        )
        with pool:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.threads):
                    group.create_task(self._answer_batches(pool))

    async def _answer_batches(self, pool: Executor) -> None:
        """Answer batch after batch, each with a fair share of the queue."""
        loop = asyncio.get_running_loop()
        while True:
            requests = [await self.queue.get()]
            share = math.ceil((1 + self.queue.qsize()) / self.threads)
            while len(requests) < share and _has_room(requests):
                requests.append(self.queue.get_nowait())
            pending = [request for request in requests if not request.answer.done()]
            began = time.monotonic()
            self.batches.append(began)
            try:
                answers = await loop.run_in_executor(pool, self.answers, pending)
            finally:
                self.batches.remove(began)
            for request, answer in zip(pending, answers, strict=True):
                _resolve(request.answer, answer)

    def answers(
        self, requests: Sequence[PendingRequest]
    ) -> list[list[UtterancePrediction] | Exception]:
        """Answer all requests of a batch; if it fails, compute each request separately.

        Requests with different prediction sets are also computed separately.
        """
        if len({request.sets for request in requests}) > 1:
            return [answer for request in requests for answer in self.answers([request])]
        try:
            return list(_predict_together(self.model, requests))
        except Exception as error:
            if len(requests) == 1:
                return [error]
            return [answer for request in requests for answer in self.answers([request])]


def _has_room(requests: Sequence[PendingRequest]) -> bool:
    """Whether the batch has room for another request."""
    conversations = sum(len(request.conversations) for request in requests)
    return conversations < _BATCH_CONVERSATIONS and sum(map(len, requests)) < _BATCH_UTTERANCES


def _resolve(
    future: asyncio.Future[list[UtterancePrediction]], answer: list[UtterancePrediction] | Exception
) -> None:
    """Set the result of a future unless its request was cancelled."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _predict_together(
    model: AnyModel, requests: Sequence[PendingRequest]
) -> list[list[UtterancePrediction]]:
    """Predict all requests together; prefixed numbers distinguish equal ids."""
    conversations: list[Conversation] = []
    names: list[str] = []
    tables: dict[Modality, FeatureTable] = {}
    for number, request in enumerate(requests):
        for conversation in request.conversations:
            names.append(conversation.id)
            conversations.append(replace(conversation, id=f"{number} {conversation.id}"))
        for modality, table in request.tables.items():
            rows = {(f"{number} {c}", u): row for (c, u), row in table.rows.items()}
            before = tables[modality].rows if modality in tables else {}
            tables[modality] = FeatureTable(spec=table.spec, rows={**before, **rows})
    predictions = iter(
        predict(
            model,
            conversations,
            tables,
            window_encoder=encode_in_few_shapes,
            sets=requests[0].sets if requests else None,
        )
    )
    answers: list[list[UtterancePrediction]] = []
    ids = iter(names)
    for request in requests:
        answers.append([])
        for conversation in request.conversations:
            name = next(ids)
            for _ in conversation.utterances:
                answers[-1].append(replace(next(predictions), conversation=name))
    return answers
