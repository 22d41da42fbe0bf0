"""Predictions for requests that come at the same time, computed together by one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from fastapi import HTTPException

from mmerc.conversation import Conversation, Modality
from mmerc.errors import InputError
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel
from mmerc.prediction.utterance_predictions import UtterancePrediction, predict
from mmerc.serving.window_encoding import encode_in_few_shapes

MOST_UTTERANCES = 128  # computed together; more would not be faster, and have the others wait
MOST_CONVERSATIONS = 16  # nor does prediction take more at a time
LONGEST_WAIT = 30.0  # seconds
LONGEST_QUEUE = 256  # requests
Tables = Mapping[Modality, FeatureTable]


@dataclass(slots=True)
class Request:
    """Conversations that wait for their predictions."""

    conversations: Sequence[Conversation]
    tables: Tables
    answer: asyncio.Future[list[UtterancePrediction]]

    def __len__(self) -> int:
        return sum(map(len, self.conversations))


@dataclass
class Predictor:
    """A model that is loaded once; ``run`` answers what ``__call__`` puts into the queue.

    Words are read in bfloat16 where the processor is fast with it: probabilities then differ by
    some thousandths from those of ``mmerc predict``.
    """

    model: AnyModel
    name: str
    queue: asyncio.Queue[Request] = field(default_factory=lambda: asyncio.Queue(LONGEST_QUEUE))

    async def __call__(
        self, conversations: Sequence[Conversation], tables: Tables
    ) -> list[UtterancePrediction]:
        """Predict every utterance.

        InputError for what the model cannot take, HTTPException where too many ask.
        """
        self.check(conversations, tables)
        request = Request(conversations, tables, asyncio.get_running_loop().create_future())
        try:
            self.queue.put_nowait(request)
            async with asyncio.timeout(LONGEST_WAIT):
                return await request.answer
        except asyncio.QueueFull as error:
            detail = "Too many requests wait; come again in a second."
            raise HTTPException(429, detail, headers={"Retry-After": "1"}) from error
        except TimeoutError as error:
            raise HTTPException(503, "The answer took too long; send less at a time.") from error

    def check(self, conversations: Sequence[Conversation], tables: Tables) -> None:
        """Refuse what would be refused alone, so that it spoils no others' batch."""
        widths = self.model.inputs.widths
        for modality, table in tables.items():
            if modality in widths and table.spec.dim != widths[modality]:
                expected = f"the model takes {widths[modality]}"
                problem = f"vectors of {table.spec.dim} numbers, where {expected}"
                raise InputError(f"features of {modality}", problem, "make them as it was trained")
        taken = self.model.inputs.output_widths.keys()
        spoken = any(item.text.strip() for c in conversations for item in c.utterances)
        read = self.model.text_encoder is not None and spoken
        if taken and not (read or taken & tables.keys()):
            problem = f"holds none of the {' or '.join(taken)} that the model takes"
            raise InputError("request", problem, "give it what the model was trained on")

    async def run(self) -> None:
        """Answer requests, those that wait together, until cancelled."""
        with ThreadPoolExecutor(1, thread_name_prefix="predictions") as pool:
            loop = asyncio.get_running_loop()
            while True:
                requests = [await self.queue.get()]
                while not self.queue.empty() and has_room(requests):
                    requests.append(self.queue.get_nowait())
                wanted = [request for request in requests if not request.answer.done()]
                answers = await loop.run_in_executor(pool, self.answers, wanted)
                for request, answer in zip(wanted, answers, strict=True):
                    settle(request.answer, answer)

    def answers(self, requests: Sequence[Request]) -> list[list[UtterancePrediction] | Exception]:
        """An answer each; where one cannot be had, the others are found one by one."""
        try:
            return list(together(self.model, requests))
        except Exception as error:
            if len(requests) == 1:
                return [error]
            return [answer for request in requests for answer in self.answers([request])]


def has_room(requests: Sequence[Request]) -> bool:
    """Whether another request may join these."""
    conversations = sum(len(request.conversations) for request in requests)
    return conversations < MOST_CONVERSATIONS and sum(map(len, requests)) < MOST_UTTERANCES


def settle(
    future: asyncio.Future[list[UtterancePrediction]], answer: list[UtterancePrediction] | Exception
) -> None:
    """Give an answer to whoever still waits for it."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def together(model: AnyModel, requests: Sequence[Request]) -> list[list[UtterancePrediction]]:
    """Predict all requests at once; ids may occur in several, so each gets a number before it."""
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
    predictions = iter(predict(model, conversations, tables, window_encoder=encode_in_few_shapes))
    found: list[list[UtterancePrediction]] = []
    ids = iter(names)
    for request in requests:
        found.append([])
        for conversation in request.conversations:
            name = next(ids)
            for _ in conversation.utterances:
                found[-1].append(replace(next(predictions), conversation=name))
    return found
