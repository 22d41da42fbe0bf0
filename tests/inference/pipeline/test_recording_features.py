"""Features of a few utterances are computed without worker processes."""

import importlib
import multiprocessing

import numpy as np
import pytest
import torch

from mmerc.conversation import Utterance
from mmerc.executors import local
from mmerc.features.registry import NamedExtractor
from mmerc.inference.pipeline import recording_features
from mmerc.inference.pipeline.recording_features import extract_features, start_workers
from short_films import cut


def extract(film, folder, **settings):
    times = [(0.0, 1.0), (1.0, 2.5)]
    utterances = [
        Utterance(id=str(i), speaker="a", text="yes", start=start, end=end)
        for i, (start, end) in enumerate(times)
    ]
    table = extract_features(
        "audio", NamedExtractor("whisper"), film, utterances, stores=folder, workers=2, **settings
    )
    return {key: row.vector for key, row in table.rows.items()}


def test_few_utterances_run_in_process_with_equal_vectors(tmp_path, monkeypatch):
    film = cut("photograph", tmp_path / "film.mp4", seconds=3)
    processes = []

    def watch(step):
        processes.append(len(multiprocessing.active_children()))

    threads = torch.get_num_threads()
    alone = extract(film, tmp_path / "alone", report=watch)
    assert processes == [0, 0]
    assert torch.get_num_threads() == threads
    monkeypatch.setattr(recording_features, "_FEW", 0)
    pooled = extract(film, tmp_path / "pooled", report=watch)
    assert max(processes) > 0
    assert alone.keys() == pooled.keys()
    assert all(np.array_equal(alone[key], pooled[key]) for key in alone)


@pytest.mark.parametrize(("duration", "workers"), [(59.0, 2), (60.0, 1), (None, 2), (60.0, 2)])
def test_imports_start_early_only_for_long_recordings(monkeypatch, duration, workers):
    started = []
    monkeypatch.setattr(local, "start_imports", started.append)
    start_workers(workers, duration=duration)
    assert started == [recording_features._MODULES] * (duration == 60 and workers == 2)


def test_modules_that_are_imported_early_exist():
    for name in recording_features._MODULES:
        importlib.import_module(name)
