"""Scores under shifts of one modality, compared with plain predictions and manual vectors."""

import copy
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmerc.conversation import Conversation, Utterance
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.feature_extraction import extract
from mmerc.data.modality_subsets import restrict_modalities
from mmerc.data.shifted_sound import extract_shifted_sound
from mmerc.errors import InputError
from mmerc.evaluation.metrics import score
from mmerc.labels import MELD_7
from mmerc.media.sound_shifts import make_quieter
from mmerc.models.registry import load_model
from mmerc.training import modality_shifts
from mmerc.training.card_tables import shift_section
from mmerc.training.modality_shifts import measure_shifts
from mmerc.training.scoring import predict_corpus
from mmerc.training.vector_shifts import DRAWS, list_vector_shifts, shift_vectors

ALL = ("text", "audio", "video")


@pytest.fixture(scope="module")
def model(finished):
    """A very small DF-ERC that predicts every label shown by its vectors."""
    loaded = load_model(finished[0] / "seed-0" / "model")
    torch.manual_seed(0)
    for parameter in loaded.parameters():
        torch.nn.init.normal_(parameter.data)
    return loaded


@pytest.fixture(scope="module")
def measured(model, small_corpus):
    lines = []
    return measure_shifts(model, small_corpus, None, size=1, report=lines.append), lines


def test_undisturbed_scores_equal_plain_predictions(model, small_corpus, measured):
    for subset, weighted_f1 in measured[0].undisturbed.items():
        plain = score(predict_corpus(model, restrict_modalities(small_corpus, subset), "valid"))
        assert weighted_f1 == pytest.approx(plain.weighted_f1)
        error = measured[0].calibration_error[subset]
        assert error == pytest.approx(plain.calibration_error, abs=1e-3)


def test_scores_use_the_corrected_prior(model, small_corpus, measured):
    corrected = copy.deepcopy(model)
    corrected.logit_offsets = (1e6, 0.0, 0.0, 0.0)
    table = measure_shifts(corrected, small_corpus, None, size=1, report=print)
    plain = score(predict_corpus(corrected, small_corpus, "valid")).weighted_f1
    assert table.undisturbed[ALL] == pytest.approx(plain) != measured[0].undisturbed[ALL]


def test_sets_without_the_shifted_modality_are_unchanged(measured):
    table, lines = measured
    assert lines[0] == "scoring undisturbed recordings of the valid split"
    assert len(lines) - 1 == len(table.shifts) >= 6
    for shift in table.shifts:
        kept = {s: f1 for s, f1 in table.undisturbed.items() if shift.modality not in s}
        assert kept.items() <= shift.weighted_f1.items()
        assert shift.without == max(kept.values())
        assert shift.gap == shift.weighted_f1[ALL] - shift.without
        errors = {s: shift.calibration_error[s] for s in kept}
        assert errors == {s: table.calibration_error[s] for s in kept}
    assert any(shift.calibration_error != table.calibration_error for shift in table.shifts)
    assert any(shift.weighted_f1 != table.undisturbed for shift in table.shifts)


def test_card_section_has_one_line_per_shift(measured):
    lines = shift_section(measured[0])
    assert "on the validation split. Every 1 conversations" in lines[1]
    rows = [line for line in lines if line.startswith("|")]
    head, columns = rows[0].splitlines()[0], 3 + len(measured[0].undisturbed)
    assert head.count("|") == columns + 1 and "text + sound + faces" in head
    assert len(rows) == 2 + len(measured[0].shifts)
    assert all(row.splitlines()[0].count("|") == columns + 1 for row in rows)


def test_recordings_with_several_conversations_keep_their_utterances(model, small_corpus):
    part = replace(small_corpus, splits={"valid": small_corpus.splits["valid"]})
    alone, joined = (modality_shifts._build_recordings(model, part, size) for size in (1, 2))
    assert [len(recordings) for recordings in (alone, joined)] == [3, 2]
    assert list_rows(alone) == list_rows(joined)


def list_rows(recordings):
    """Label and voice of all utterances, sorted."""
    return sorted(
        [int(label), *voice.tolist()]
        for batch in recordings
        for label, voice in zip(
            batch.labels[batch.mask], batch.features["audio"][batch.mask], strict=True
        )
    )


def test_modality_absent_everywhere_is_not_shifted(model, small_corpus):
    faceless = restrict_modalities(small_corpus, ("text", "audio"))
    table = measure_shifts(model, faceless, None, report=print)
    assert {shift.modality for shift in table.shifts} == {"text", "audio"}


def test_model_of_one_modality_has_no_table(model, small_corpus, make_model):
    words = make_model("language-model", modalities=["text"])
    assert measure_shifts(words, small_corpus, None, report=print) is None


@pytest.fixture
def batches(make_batch):
    return [make_batch((size,), absent=0.3, seed=size) for size in (6, 9)]


def test_effect_of_each_vector_shift(batches):
    shifts = list_vector_shifts(MELD_7)
    for (modality, name), change in shifts.items():
        shifted = shift_vectors(batches, modality, change)
        again = shift_vectors(batches, modality, change)
        pool = torch.cat([b.features[modality][b.present[modality]] for b in batches])
        labels = torch.cat([b.labels[b.present[modality]] for b in batches])
        for before, after, same in zip(DRAWS * batches, shifted, again, strict=True):
            at = before.present[modality]
            own, new = before.features[modality][at], after.features[modality][at]
            assert torch.equal(new, same.features[modality][at])
            assert torch.equal(before.features[modality][~at], after.features[modality][~at])
            others = {m: v for m, v in before.features.items() if m != modality}
            assert all(after.features[m] is v for m, v in others.items())
            rows = [(pool == vector).all(1).nonzero().flatten().tolist() for vector in new]
            if name == "half another's voice":
                other = 2 * new - own
                assert all(torch.isclose(pool, v, atol=1e-5).all(1).any() for v in other)
            elif name == "the listener's face":
                assert torch.equal(new[1:], own[:-1]) and torch.equal(new[0], own[0])
            elif name == "a frozen face":
                assert all(torch.equal(vector, own[0]) for vector in new)
            elif name == "a neutral face throughout":
                neutral = MELD_7.index("neutral")
                assert not (labels == neutral).any() or all(labels[r[0]] == neutral for r in rows)
            else:
                assert all(rows)


def test_no_neutral_face_shift_without_a_neutral_label():
    moods = type(MELD_7)(name="moods", names=("good", "bad"))
    assert ("video", "a neutral face throughout") not in list_vector_shifts(moods)


@pytest.fixture
def audio_corpus(tmp_path):
    """A prepared corpus of one conversation with IS10 vectors, and its media."""
    samples = np.random.default_rng(0).normal(0, 3000, 32000).astype("<i2")
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    common = {"speaker": "A", "text": "so", "label": "joy", "media": "talk.wav"}
    utterances = tuple(
        Utterance(id=str(i), start=float(i), end=i + 1.0, **common) for i in range(2)
    )
    spoken = Conversation(id="talk", utterances=utterances)
    silent = Conversation(id="note", utterances=(Utterance(id="0", speaker="A", text="so"),))
    splits = {"train": (spoken,), "valid": (silent,)}
    corpus = PreparedCorpus(name="heard", labels=MELD_7, splits=splits, features={})
    corpus.save(tmp_path / "corpus")
    extract(tmp_path / "corpus", audio="is10", media=tmp_path)
    return PreparedCorpus.load(tmp_path / "corpus"), tmp_path


def test_shifted_audio_is_extracted_again(audio_corpus):
    corpus, media = audio_corpus
    stored = corpus.features["audio"]
    same = extract_shifted_sound(corpus, media, lambda samples: samples)
    assert same.spec == stored.spec
    for key, row in stored.rows.items():
        if row.vector is None:
            assert same.rows[key].absent_because == row.absent_because
        else:
            np.testing.assert_array_equal(same.rows[key].vector, row.vector)
    quieter = extract_shifted_sound(corpus, media, make_quieter)
    assert not np.allclose(quieter.vector("talk", "0"), stored.vector("talk", "0"))


def test_vectors_that_cannot_be_extracted_again_are_refused(audio_corpus):
    corpus, media = audio_corpus
    table = corpus.features["audio"]
    older = replace(table, spec=replace(table.spec, settings={"version": "older"}))
    with pytest.raises(InputError, match="cannot be extracted again as they are stored"):
        extract_shifted_sound(replace(corpus, features={"audio": older}), media, make_quieter)
