"""Small synthetic stand-ins, under the same names, for the files that the examples read."""

import json
import pickle
import shutil

import numpy as np
import soundfile
import yaml
from documents import ROOT

from fer2013 import fer_rows, write
from mmerc.labels import MELD_7
from short_films import cues, cut

RATE = 16_000
LINES = ("Well yes you saw me", "No", "They went red and blue", "Why always you", "I never came")
TRANSCRIPT = "Ann: You came!\nBob: I said I would.\nAnn: Nobody told me.\n"
MELD_HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime"
)


def write_inputs(folder):
    """All files that a user would provide."""
    (folder / "examples").symlink_to(ROOT / "examples")
    cut("photograph", folder / "talk.mp4", seconds=4.5)
    cues("photograph", folder / "talk.srt", count=1)
    (folder / "talk.txt").write_text(TRANSCRIPT)
    write_words(folder / "talk.json")
    (folder / "talk.rttm").write_text("SPEAKER talk 1 0.8 3.0 <NA> <NA> Ann <NA> <NA>\n")
    (folder / "interviews").mkdir()
    for name in ("first", "second"):
        (folder / f"interviews/{name}.txt").write_text(TRANSCRIPT)
    write_labelled(folder)
    write_conditions(folder / "talks")
    write_raters(folder / "labels")
    write_meld(folder / "MELD.Raw")
    write_composed(folder / "data")
    (folder / "DATA").symlink_to("data")
    write_goemotions(folder / "data/goemotions")
    write_iemocap(folder / "IEMOCAP_full_release")
    write_mosi(folder / "mosi_trimodal.npz")
    write_pickle(folder / "IEMOCAP_features.pkl")
    shutil.copy(folder / "data/fer2013/fer2013.parquet", folder)


def write_words(path):
    """Timed words in the format of WhisperX."""
    words = [{"word": "You", "start": 0.9, "end": 1.2}, {"word": "came!", "start": 1.3, "end": 1.8}]
    segment = {"start": 0.9, "end": 1.8, "text": " You came!", "words": words}
    path.write_text(json.dumps({"segments": [segment], "language": "en"}))


def write_labelled(folder):
    """Labelled conversations, conversations without labels, and labels for the first of those."""
    lines = (ROOT / "examples/corpus.jsonl").read_text().splitlines()
    (folder / "labelled.jsonl").write_text("\n".join(lines[:20]) + "\n")
    talks = [json.loads(line) for line in lines[20:24]]
    labels = ["conversation,id,label"]
    labels += [f"{talks[0]['id']},{item['id']},{item['label']}" for item in talks[0]["utterances"]]
    (folder / "sample.csv").write_text("\n".join(labels) + "\n")
    for talk in talks:
        for item in talk["utterances"]:
            del item["label"]
    (folder / "talks.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))


def write_conditions(folder):
    """A study of four transcripts in two conditions."""
    folder.mkdir()
    recordings = []
    for number in range(4):
        (folder / f"talk-{number}.txt").write_text(3 * TRANSCRIPT)
        condition = "before" if number < 2 else "after"
        recordings.append({"file": f"talk-{number}.txt", "condition": condition})
    (folder / "study.yaml").write_text(yaml.safe_dump({"recordings": recordings}))


def write_raters(folder):
    """Labels of two raters for all utterances of that study, and their consensus."""
    folder.mkdir()
    lines = [(f"talk-{number}-1", place) for number in range(4) for place in range(1, 10)]
    for name, period in (("ann", 4), ("ben", 5), ("agreed", 4)):
        labels = ("neutral" if n % period else "joy" for n in range(len(lines)))
        rows = [
            f"{talk},{place},{label}" for (talk, place), label in zip(lines, labels, strict=True)
        ]
        (folder / f"{name}.csv").write_text("\n".join(["conversation,id,label", *rows]) + "\n")


def write_meld(folder):
    folder.mkdir()
    for split in ("train", "dev", "test"):
        rows = [
            f"{number},{LINES[number % 5]},{('Ann', 'Bob')[number % 2]},{MELD_7.names[number % 7]},"
            f'neutral,{number // 2},{number % 2},1,1,"00:00:01,500","00:00:02,250"'
            for number in range(14)
        ]
        (folder / f"{split}_sent_emo.csv").write_text("\n".join([MELD_HEADER, *rows]) + "\n")
    (folder / "train_splits").mkdir()
    clip = cut("photograph", folder / "clip.mp4", seconds=1.0)
    for number in range(4):
        shutil.copy(clip, folder / f"train_splits/dia{number // 2}_utt{number % 2}.mp4")


def write_composed(folder):
    for name in ("ravdess", "fer2013", "meld-composed"):
        (folder / name).mkdir(parents=True)
    faces = fer_rows()
    write(faces, folder / "fer2013/fer2013.parquet")
    time = np.arange(RATE // 4) / RATE
    for split in ("train", "dev", "test"):
        lines = ["dialogue_id,utterance_id,speaker,emotion,text,audio,faces"]
        for number in range(14):
            shown = ";".join(faces[(number + i) % len(faces)]["name"] for i in range(2))
            clip = f"{split}-{number}.flac"
            lines.append(
                f"{number // 2},{number % 2},Ann,{MELD_7.names[number % 7]},{LINES[number % 5]},"
                f"{clip},{shown}"
            )
            tone = 0.2 * np.sin(2 * np.pi * (140 + 10 * number) * time)
            soundfile.write(folder / "ravdess" / clip, tone, RATE)
        (folder / "meld-composed" / f"{split}.csv").write_text("\n".join(lines) + "\n")


def write_goemotions(folder):
    folder.mkdir()
    (folder / "labels.txt").write_text("\n".join(MELD_7))
    for split in ("train", "dev", "test"):
        rows = [f"{LINES[number % 5]}\t{number % 7}\t{number}\n" for number in range(7)]
        (folder / f"{split}.tsv").write_text("".join(rows))


def write_iemocap(folder):
    for dialog in (f"Ses0{number}{letter}_impro01" for number in range(1, 6) for letter in "FM"):
        root = folder / f"Session{dialog[4]}/dialog"
        said, rated = [], []
        for number, label in enumerate(("neu", "sad", "ang", "hap", "exc", "fru")):
            name = f"{dialog}_F00{number}"
            start, end = 2.0 * number, 2.0 * number + 1
            said.append(f"{name} [{start:08.4f}-{end:08.4f}]: {LINES[number % 5]}.")
            rated.append(f"[{start} - {end}]\t{name}\t{label}\t[2.5, 2.5, 2.5]\n\n")
        for kind, text in (
            ("transcriptions", "\n".join(said) + "\n"),
            ("EmoEvaluation", "".join(rated)),
        ):
            (root / kind).mkdir(parents=True, exist_ok=True)
            (root / kind / f"{dialog}.txt").write_text(text)


def write_mosi(path):
    random = np.random.default_rng(0)
    content = {}
    for half, videos in (("train", 6), ("test", 2)):
        names = [f"{half}{video}_{place}" for video in range(videos) for place in (1, 2, 3)]
        content[f"{half}_utt_id"] = np.array(names)
        content[f"{half}_label"] = np.arange(len(names), dtype=np.int8) % 2
        content[f"{half}_transcript"] = np.array([LINES[i % 5] for i in range(len(names))])
        for name, width in {"text100": 100, "audio73": 73, "video100": 100}.items():
            content[f"{half}_{name}"] = random.normal(size=(len(names), width)).astype(np.float32)
    np.savez(path, **content)


def write_pickle(path):
    random = np.random.default_rng(0)
    names = [f"Ses0{number}" for number in range(1, 6)]
    vectors = [{n: list(random.normal(size=(2, width))) for n in names} for width in (4, 3, 2)]
    items = (
        {name: [f"{name}_F0", f"{name}_M0"] for name in names},
        {name: ["F", "M"] for name in names},
        {name: [0, 5] for name in names},
        *vectors,
        {name: ["Good evening.", "It is late."] for name in names},
        set(names[:4]),
        {"Ses05"},
    )
    path.write_bytes(pickle.dumps(items))


# Outputs of earlier pages: one command per folder, in order of dependency.
PREPARED = (
    "prepare meld MELD.Raw --out corpora/meld",
    "prepare composed data --out corpora/composed",
    "extract corpora/composed --media data --audio is10 --video denseface --quiet",
    "prepare mosi mosi_trimodal.npz --out corpora/mosi",
    "train --recipe df-erc-meld-mini --corpus corpora/meld --out runs/mini --quiet",
    "encode-text --corpus corpora/composed --model minilm-l6 --out corpora/composed-text",
    "analyze talks/study.yaml --out STUDY --quiet",
)


def small_recipe(text):
    """The same recipe trained for one epoch with one seed."""
    value = yaml.safe_load(text)
    value.setdefault("training", {}).update(epochs=1, seeds=1, minimum_steps=0)
    if "search" in value:
        value["search"] = {key: value["search"][key] for key in list(value["search"])[:1]}
    return json.dumps(value)
