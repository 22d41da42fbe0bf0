"""How strongly should voices be levelled? Voice only, unseen people.

    python benchmarks/levelling_by_speaker.py URDU                                # another language
    python benchmarks/levelling_by_speaker.py URDU --corpus corpora/composed      # and RAVDESS

Prints the unweighted recall of the emotions that a voice itself shows, by strength of levelling
(``recording_prior`` and ``speaker_prior`` in ``mmerc.nn.levelling``, in utterances; without:
unlevelled vectors). No utterance is the context of another. The recordings differ in how varied
the emotions of a recording are:

- ``urdu``: the folder's clips (Angry, Happy, Neutral, Sad; SM1_F1_A01.flac, the first part is the
  speaker), all in one recording, or a recording for each speaker. Nearly every speaker shows one
  emotion only.
- ``ravdess``: the clips of the corpus's validation split, a recording for each actor, who shows
  every emotion equally often, or one for each actor and emotion.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmerc.conversation import Conversation, Utterance
from mmerc.data.batches import batch_loader
from mmerc.data.corpus import PreparedCorpus
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.media.segment import Clip as SoundClip
from mmerc.media.segment import Segment
from mmerc.models.base import AnyModel
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model
from mmerc.models.training_data import TrainedOn
from mmerc.nn.levelling import LevellingConfig
from mmerc.prediction.averaging import predict_probabilities
from mmerc.prediction.effects import split_conversations
from mmerc.prediction.run_model import build_model_examples

LABELS = {"Angry": "anger", "Happy": "joy", "Neutral": "neutral", "Sad": "sadness"}
PRIORS = ((20, 10), (20, 40), (50, 25), (50, 50), (100, 50), (100, 100), (200, 100), (100, 1000))


@dataclass(frozen=True, slots=True)
class VoiceClip:
    """One clip: speaker, emotion of the voice, and vector."""

    name: str
    speaker: str
    label: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Recordings:
    """Clips grouped into recordings."""

    name: str
    spec: FeatureSpec
    groups: dict[str, list[VoiceClip]]

    @property
    def conversations(self) -> list[Conversation]:
        return [
            Conversation(
                id=group,
                utterances=tuple(Utterance(id=c.name, speaker=c.speaker, text="") for c in clips),
            )
            for group, clips in self.groups.items()
        ]

    @property
    def table(self) -> FeatureTable:
        rows = (
            FeatureRow(conversation=group, utterance=clip.name, vector=clip.vector)
            for group, clips in self.groups.items()
            for clip in clips
        )
        return FeatureTable.of(self.spec, rows)


def group_clips(
    name: str, spec: FeatureSpec, clips: Iterable[VoiceClip], *parts: str
) -> Recordings:
    """Group clips with equal values of the attributes ``parts``."""
    groups = defaultdict(list)
    for clip in clips:
        groups["-".join(["r", *(getattr(clip, part) for part in parts)])].append(clip)
    return Recordings(name, spec, dict(groups))


def read_urdu(folder: Path, extractor_name: str) -> Iterator[Recordings]:
    """Extract the clips' vectors."""
    extractor = NamedExtractor(extractor_name)()
    clips = [
        VoiceClip(
            path.stem, path.stem.split("_")[0], LABELS[path.parent.name],
            extractor.extract(Segment(sound=SoundClip(path))),
        )
        for path in sorted(folder.rglob("*.flac"))
    ]  # fmt: skip
    yield group_clips("urdu, one recording", extractor.spec, clips)
    yield group_clips("urdu, one per speaker", extractor.spec, clips, "speaker")


def read_ravdess(folder: Path) -> Iterator[Recordings]:
    """Read the voices of the composed corpus's validation split, each clip once."""
    corpus = PreparedCorpus.load(folder)
    table = corpus.features["audio"]
    clips = {}
    for conversation in corpus.splits["valid"]:
        for utterance in conversation.utterances:
            vector = table.vector(conversation.id, utterance.id)
            label = utterance.modality_labels.get("audio")
            if vector is not None and label is not None and utterance.media is not None:
                name = Path(utterance.media.partition("#")[0]).stem
                clips[name] = VoiceClip(name, name.rpartition("-")[2], label, vector)
    yield group_clips("ravdess, one per actor", table.spec, clips.values(), "speaker")
    name = "ravdess, one per actor and emotion"
    yield group_clips(name, table.spec, clips.values(), "speaker", "label")


def recall(model: AnyModel, recordings: Recordings, levelling: LevellingConfig | None) -> float:
    """Unweighted recall in percent, among the labels that occur."""
    clips = [clip for group in recordings.groups.values() for clip in group]
    labels = sorted({clip.label for clip in clips})
    columns = [model.labels.names.index(label) for label in labels]
    conversations = recordings.conversations
    examples = build_model_examples(model, conversations, {"audio": recordings.table})
    hits = defaultdict(list)
    for batch in batch_loader(examples, tokenizer=model.tokenizer, size=1, shuffle=False):
        with torch.inference_mode():
            settled, levelled = model.with_levelling(levelling).level_conversations(batch)
            chances = predict_probabilities(settled, split_conversations(levelled))[:, 0, columns]
        group = recordings.groups[conversations[int(batch.indices[0])].id]
        for clip, column in zip(group, chances.argmax(-1).tolist(), strict=True):
            hits[clip.label].append(labels[column] == clip.label)
    return 100 * float(np.mean([np.mean(right) for right in hits.values()]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("urdu", type=Path, help="folder of the URDU corpus")
    parser.add_argument("--corpus", type=Path, help="composed corpus with the model's vectors")
    parser.add_argument("--model", default="mmerc-mini")
    options = parser.parse_args()
    model = load_model(options.model)
    name = str(TrainedOn.read(locate_model(options.model)).extractors["audio"])
    designs = list(read_urdu(options.urdu, name))
    if options.corpus is not None:
        designs += read_ravdess(options.corpus)
    print("recording prior, speaker prior:", "; ".join(item.name for item in designs))
    ways: dict[str, LevellingConfig | None] = {"without": None}
    for recording, speaker in PRIORS:
        ways[f"{recording}, {speaker}"] = LevellingConfig(
            recording_prior=recording, speaker_prior=speaker
        )
    for way, levelling in ways.items():
        scores = [f"{recall(model, item, levelling):.1f}" for item in designs]
        print(f"{way:10} {'  '.join(scores)}", flush=True)


if __name__ == "__main__":
    main()
