"""Concurrent predictions equal sequential ones."""

import asyncio
import random
from contextlib import suppress

import pytest
import torch

from mmerc.conversation import Conversation, Utterance
from mmerc.models.registry import load_model
from mmerc.prediction import window_encoding
from mmerc.prediction.set_request import SetRequest
from mmerc.prediction.utterance_predictions import predict
from mmerc.serving.jobs import Jobs
from mmerc.serving.live.live_sessions import LiveSessions
from mmerc.serving.predictor import Predictor
from mmerc.serving.settings import Settings

WORDS = ("oh", "no", "not", "the", "cheese")


def talk(drawn):
    said = [drawn.choices(WORDS, k=drawn.randint(1, 9)) for _ in range(drawn.randint(1, 6))]
    return Conversation(
        id="talk",
        utterances=tuple(
            Utterance(id=str(i), speaker="Mara", text=" ".join(words))
            for i, words in enumerate(said)
        ),
    )


async def answer_all(predictor, talks, sets):
    running = asyncio.create_task(predictor.run())
    asked = (predictor([item], {}, one) for item, one in zip(talks, sets, strict=True))
    answers = await asyncio.gather(*asked)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return answers


def test_concurrent_requests_are_not_mixed(model, monkeypatch):
    monkeypatch.setattr(window_encoding, "fast_bfloat16", lambda device: False)
    drawn, loaded = random.Random(0), load_model(model)
    talks = [talk(drawn) for _ in range(60)]
    sets = [drawn.choice([None, SetRequest(level=0.9)]) for _ in talks]
    answers = asyncio.run(answer_all(Predictor(loaded, "words", threads=4), talks, sets))
    for item, one, answer in zip(talks, sets, answers, strict=True):
        expected = predict(loaded, item, sets=one)
        assert [line.text for line in answer] == [line.text for line in expected]
        assert {line.emotions is None for line in answer} == {one is None}
        for line, other in zip(answer, expected, strict=True):
            assert line.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert not any(module.training for module in loaded.modules())


def test_predictions_do_not_change_live_thread_counts(tmp_path, model):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    jobs = Jobs(tmp_path, max_jobs=1)
    try:
        live = LiveSessions(Settings(folder=tmp_path), jobs, load=lambda: None)
        predictor = Predictor(load_model(model), "words")
        asyncio.run(answer_all(predictor, [talk(random.Random(0))], [None]))
        assert predictor.threads == 3
        assert live.pool.submit(torch.get_num_threads).result() == 3
        live.pool.shutdown()
    finally:
        torch.set_num_threads(before)
        jobs.close()
