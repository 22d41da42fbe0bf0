"""Every model of the registry under every disturbance, on real audio and images."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import soundfile
import torch

from fer2013 import draw_face, encoded
from mmerc.data.batches import feature_statistics
from mmerc.data.feature_extraction import extract_modality
from mmerc.errors import InputError
from mmerc.executors.executor import Executor
from mmerc.experiments.robustness.disturbances import DISTURBANCES
from mmerc.experiments.robustness.disturbed_corpora import DisturbedCorpora
from mmerc.experiments.robustness.robustness_scores import _predict_disturbed
from mmerc.experiments.robustness.stored_extractor import Inapplicable, find_stored_extractor
from mmerc.features.extraction import Task
from mmerc.features.registry import NamedExtractor
from mmerc.features.selection import Selection
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.media.segment import Clip, Segment
from mmerc.models.registry import _MODELS
from mmerc.models.training_data import TrainingStatistics
from mmerc.prediction.run_model import build_model_examples

RATE = 16_000
WIDTHS = {"text": 12, "audio": 1582, "video": 342}
CASES = [
    *((name, "vectors") for name in _MODELS),
    *((name, "tokens") for name in _MODELS if name != "majority"),
    *((name, "sounds") for name, model in _MODELS.items() if model.unit == "utterance"),
]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory, small_corpus):
    """Two test conversations of the small corpus with one audio file and three images each."""
    folder = tmp_path_factory.mktemp("media")
    conversations = small_corpus.splits["test"][::2]
    tasks = []
    for number, key in enumerate((c.id, u.id) for c in conversations for u in c.utterances):
        time = np.arange(RATE // 3) / RATE
        tone = 0.2 * np.sin(2 * np.pi * (150 + 40 * number) * time) * np.hanning(len(time))
        soundfile.write(folder / f"{number}.wav", tone, RATE)
        pictures = tuple(encoded(draw_face(part, 3 * number + part)) for part in range(3))
        segment = Segment(sound=Clip(folder / f"{number}.wav"), pictures=pictures)
        tasks.append(Task(conversation=key[0], utterance=key[1], segment=segment))
    extract = partial(
        extract_modality, stores=folder / "stores", executor=Executor(), report=lambda line: None
    )
    tables = {
        modality: extract(NamedExtractor(name), tasks).table
        for modality, name in (("audio", "is10"), ("video", "denseface"))
    }
    return DisturbedCorpora(
        corpus=replace(
            small_corpus,
            splits={"test": conversations},
            features={**small_corpus.features, **tables},
            sounds={task.key: task.segment.sound for task in tasks},
        ),
        folder=folder,
        tasks=tasks,
        extract=lambda named, spec, tasks: extract(named, tasks, spec=spec).table,
    )


@pytest.fixture(params=CASES, ids="-".join)
def model(request, make_model, make_sound_model, corpora):
    name, reads = request.param
    make = make_sound_model if reads == "sounds" else partial(make_model, tokens=reads == "tokens")
    predictions = make(name, widths=WIDTHS)
    corpus = corpora.corpus
    examples = build_model_examples(
        predictions, corpus.splits["test"], corpus.features, corpus.sounds
    )
    counts = torch.ones(len(predictions.labels), dtype=torch.long)
    predictions.fit(TrainingStatistics(features=feature_statistics(examples), label_counts=counts))
    return predictions.eval()


def test_every_applicable_disturbance_changes_the_input(model, corpora, monkeypatch):
    monkeypatch.setattr("mmerc.data.batches.available_cores", lambda: 1)  # no loading processes
    undisturbed = _predict_disturbed(model, corpora.corpus, None)
    left_out = set()
    for disturbance in DISTURBANCES:
        if disturbance.modality not in model.inputs.output_widths:
            continue
        corpus = corpora.apply(disturbance, model)
        if isinstance(corpus, Inapplicable):
            left_out.add(disturbance.how)
            continue
        actual = _predict_disturbed(model, corpus, disturbance)
        assert actual.keys == undisturbed.keys
        assert np.isfinite(actual.probabilities).all()
        changed = np.abs(actual.probabilities - undisturbed.probabilities).max()
        assert changed > 0 or disturbance.amount == "10 %", disturbance  # texts are short
    assert left_out == ({"word dropout"} if "text" in model.inputs.widths else set())
    again = _predict_disturbed(model, corpora.corpus, None)  # no mask remains
    assert np.array_equal(again.probabilities, undisturbed.probabilities)


def find_disturbance(modality, how, strength=None):
    return next(
        d for d in DISTURBANCES if (d.modality, d.how, d.strength) == (modality, how, strength)
    )


def test_noise_reaches_vectors_and_audio(corpora, make_model, make_sound_model):
    noise = find_disturbance("audio", "noise", 10)
    vectors = corpora.apply(noise, make_model("late-fusion", widths=WIDTHS))
    clean, noisy = (c.features["audio"] for c in (corpora.corpus, vectors))
    assert noisy.spec == clean.spec
    assert all(not np.array_equal(noisy.vector(*key), clean.vector(*key)) for key in clean.rows)
    assert vectors.features["video"] is corpora.corpus.features["video"]
    heard = corpora.apply(noise, make_sound_model("dq-former", widths=WIDTHS))
    assert heard.features is corpora.corpus.features
    assert {clip.noise.decibels for clip in heard.sounds.values()} == {10}
    assert len({clip.noise.seed for clip in heard.sounds.values()}) == len(heard.sounds)


def test_lost_frames_leave_some_vectors_absent(corpora, make_model):
    tasks = [
        replace(task, segment=replace(task.segment, pictures=task.segment.pictures[:1]))
        for task in corpora.tasks
    ]
    model, given = make_model("late-fusion", widths=WIDTHS), replace(corpora, tasks=tasks)
    disturbed = [
        given.apply(find_disturbance("video", "frame loss", share), model) for share in (25, 50, 75)
    ]
    without = [
        {key for key, row in corpus.features["video"].rows.items() if row.vector is None}
        for corpus in disturbed
    ]
    assert without[0] <= without[1] <= without[2]
    assert 0 < len(without[2]) < len(corpora.tasks)


@pytest.mark.parametrize(
    ("changes", "how", "why"),
    [
        ({"tasks": None}, ("audio", "noise", 0), "name their folder with --media"),
        ({"tasks": None}, ("video", "frame loss", 50), "name their folder with --media"),
        ({"features": {}}, ("audio", "zeroed"), "no audio vectors"),
        ({"extractor": "found"}, ("audio", "noise", 0), "not extracted by mmerc"),
        ({"extractor": "visextnet"}, ("video", "frame loss", 50), "needs a ResNet-101"),
        ({"settings": {"set": "old"}}, ("audio", "noise", 0), "other settings"),
        ({"silent": True}, ("audio", "noise", 0), "names no sound"),
    ],
)
def test_omissions_give_a_reason(corpora, make_model, changes, how, why):
    corpus = corpora.corpus
    if "features" in changes:
        corpus = replace(corpus, features={"text": corpus.features["text"]})
    for name in ("extractor", "settings"):
        if name in changes:
            table = corpus.features[how[0]]
            spec = replace(table.spec, **{name: changes[name]})
            features = {**corpus.features, how[0]: replace(table, spec=spec)}
            corpus = replace(corpus, features=features)
    tasks = changes.get("tasks", corpora.tasks)
    if "silent" in changes:
        tasks = [replace(task, segment=replace(task.segment, sound=None)) for task in tasks]
    given = replace(corpora, corpus=corpus, tasks=tasks)
    actual = given.apply(find_disturbance(*how), make_model("late-fusion", widths=WIDTHS))
    assert isinstance(actual, Inapplicable)
    assert why in actual.reason
    assert not actual.reason.endswith(".")


def test_entirely_missing_media_are_an_error(corpora, make_model, tmp_path):
    elsewhere = [
        replace(task, segment=Segment(sound=Clip(tmp_path / "none.wav"))) for task in corpora.tasks
    ]
    with pytest.raises(InputError, match=r"no such file, .*--media"):
        replace(corpora, tasks=elsewhere).apply(
            find_disturbance("audio", "noise", 0), make_model("late-fusion", widths=WIDTHS)
        )


def test_selected_columns_are_selected_again(corpora, tmp_path):
    spec = corpora.corpus.features["audio"].spec
    chosen = Selection(
        parent=spec.fingerprint, content="", indices=(3, 7), mean=(0.0, 0.0),
        deviation=(1.0, 1.0), conversations=1, fitted_on=(("a", "0"),),
    )  # fmt: skip
    chosen.save(tmp_path / "audio-selection.json")
    maker = find_stored_extractor(chosen.spec_for(spec), tmp_path, weights=None)
    other = replace(spec, settings={**spec.settings, "disturbance": "noise"})
    vector = np.arange(1582, dtype=np.float32)
    row = FeatureRow(conversation="c", utterance="u", vector=vector)
    stored = maker.as_stored(FeatureTable.of(other, [row]))
    assert stored.spec == chosen.spec_for(spec)
    assert stored.vector("c", "u").tolist() == [3, 7]
    changed = chosen.model_copy(update={"parent": "0"})
    changed.save(tmp_path / "audio-selection.json")
    assert isinstance(
        find_stored_extractor(changed.spec_for(spec), tmp_path, weights=None), Inapplicable
    )


def test_damaged_weights_are_an_error(tmp_path):
    (tmp_path / "own.safetensors").write_bytes(b"no weights")
    spec = FeatureSpec(modality="video", extractor="denseface", dim=342)
    with pytest.raises(InputError, match=r"own\.safetensors"):
        find_stored_extractor(spec, tmp_path, weights=tmp_path / "own.safetensors")
