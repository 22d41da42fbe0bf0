"""Simulated studies: two speakers in turn, with inertia or contagion of an emotion."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmerc.studies.sequences import build_sequences

LABELS = ("neutral", "joy", "sadness")
SHARES = np.array([0.5, 0.3, 0.2])


def simulate_talk(generator, size, *, inertia=0.0, contagion=0.0, shares=(SHARES, SHARES)):
    """Speakers and emotions of one conversation; some speakers take two turns in a row."""
    speakers, emotions = [], []
    last = {0: None, 1: None}
    speaker = 0
    for _ in range(size):
        speaker = 1 - speaker if generator.random() < 0.8 else speaker
        other, own = last[1 - speaker], last[speaker]
        draw = generator.random()
        if draw < contagion and other is not None:
            emotion = other
        elif contagion <= draw < contagion + inertia and own is not None:
            emotion = own
        else:
            emotion = int(generator.choice(len(LABELS), p=shares[speaker]))
        last[speaker] = emotion
        speakers.append("AB"[speaker])
        emotions.append(LABELS[emotion])
    return speakers, emotions


def simulate(seed, *, recordings=10, size=40, **settings):
    """Recordings, speakers and emotions of a study, as columns."""
    generator = np.random.default_rng(seed)
    columns = {"recordings": [], "speakers": [], "emotions": []}
    for number in range(recordings):
        speakers, emotions = simulate_talk(generator, size, **settings)
        columns["recordings"] += [f"r{number:04d}"] * size
        columns["speakers"] += speakers
        columns["emotions"] += emotions
    return columns


def sequences(seed=0, **settings):
    return build_sequences(LABELS, **simulate(seed, **settings))


def write_study(folder, columns, **extra):
    """Write a study's table of utterances, with nearly certain probabilities."""
    emotions = np.array(columns["emotions"])
    table = {
        "recording": columns["recordings"],
        "speaker": columns["speakers"],
        "emotion": columns["emotions"],
        **{f"probability_{name}": (emotions == name) * 0.6 + 0.2 for name in LABELS},
        **extra,
    }
    pq.write_table(pa.table(table), folder / "utterances.parquet")
    return folder


def write_report_study(folder):
    """A study of six couples, each in two conditions, with everything a report shows."""
    folder.mkdir()
    columns = simulate(2, recordings=12, size=30, inertia=0.25, contagion=0.1)
    generator = np.random.default_rng(0)
    size = len(columns["emotions"])
    numbers = [int(name[1:]) for name in columns["recordings"]]
    pairs = list(zip(numbers, columns["speakers"], strict=True))
    starts = [4.0 * (row % 30) for row in range(size)]
    write_study(
        folder,
        columns,
        participant=[f"P{number // 2}{speaker}" for number, speaker in pairs],
        condition=[["argument", "small talk"][number % 2] for number in numbers],
        group=[{"A": "patient", "B": "therapist"}[speaker] for _, speaker in pairs],
        start=starts,
        end=[start + 3.0 for start in starts],
        text=[f"wordy{row % 7}" for row in range(size)],
        **{f"present.{m}": generator.random(size) < 0.8 for m in ("text", "audio", "video")},
        **{f"left_out.{m}": generator.random(size) < 0.1 for m in ("text", "audio", "video")},
        **{f"probability_{name}": generator.random(size) * 0.6 for name in LABELS},
    )
    remark = "The sound differs from the model's training data (by 0.9 deviations, typically)."
    recordings = {
        "recording": sorted(set(columns["recordings"])),
        "duration": [122.0] * 12,
        "model": ["mmerc-mini"] * 12,
        "mmerc": ["9.8.7"] * 12,
        "words_from": ["subtitles", "subtitles", "speech"] * 4,
        "remarks": [remark if number % 4 == 0 else "" for number in range(12)],
    }
    pq.write_table(pa.table(recordings), folder / "recordings.parquet")
    (folder / "failed.csv").write_text("recording,file,reason\na,a.mp4,x\nb,b.mp4,y\n")
    return folder
