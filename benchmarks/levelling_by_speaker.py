"""Does levelling by speaker help with voices of unseen people in another language?

Reads a folder of the URDU corpus (Angry, Happy, Neutral, Sad; files such as SM1_F1_A01.flac, where
the first part is the speaker), extracts its vectors, and predicts the emotion from the voice:
unchanged, levelled as one recording, and levelled by speaker with several values of
``speaker_prior`` (``mmerc.nn.levelling``). Prints the unweighted recall for the most probable of
the four emotions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmerc.conversation import Conversation, Utterance
from mmerc.data.batches import batch_loader
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureRow, FeatureTable
from mmerc.media.segment import Clip, Segment
from mmerc.models.base import AnyModel
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model
from mmerc.models.training_data import TrainedOn
from mmerc.nn.levelling import LevellingConfig
from mmerc.prediction.effects import probabilities, split_conversations
from mmerc.prediction.run_model import build_model_examples

LABELS = {"Angry": "anger", "Happy": "joy", "Neutral": "neutral", "Sad": "sadness"}


def read_table(
    folder: Path, name: str, cache: Path
) -> tuple[FeatureTable, dict[str, str], list[str]]:
    """Return vectors by file name, with their speakers and emotions."""
    files = sorted(folder.rglob("*.flac"))
    extractor = NamedExtractor(name)()
    if cache.exists():
        vectors = list(np.load(cache))
    else:
        vectors = [extractor.extract(Segment(sound=Clip(path))) for path in files]
        np.save(cache, np.stack(vectors))
    rows = [
        FeatureRow(conversation="urdu", utterance=path.stem, vector=vector)
        for path, vector in zip(files, vectors, strict=True)
    ]
    speakers = {path.stem: path.stem.split("_")[0] for path in files}
    return FeatureTable.of(extractor.spec, rows), speakers, [LABELS[p.parent.name] for p in files]


def recall(
    model: AnyModel,
    levelling: LevellingConfig | None,
    table: FeatureTable,
    speakers: dict[str, str],
    gold: list[str],
) -> float:
    """Return the unweighted recall in percent; clips are levelled as one recording."""
    names: NDArray[np.str_] = np.array(sorted(set(gold)))
    utterances = tuple(Utterance(id=u, speaker=speakers[u], text="") for _, u in table.rows)
    conversation = Conversation(id="urdu", utterances=utterances)
    examples = build_model_examples(model, [conversation], {"audio": table})
    (batch,) = batch_loader(examples, tokenizer=model.tokenizer, size=1, shuffle=False)
    with torch.inference_mode():
        unlevelled, batch = model.with_levelling(levelling).settle_inputs(batch)
        chances = probabilities(unlevelled, split_conversations(batch))[:, 0]
    columns = [model.labels.names.index(name) for name in names]
    named = names[chances[:, columns].argmax(-1).numpy()]
    hits = [np.mean(named[np.array(gold) == name] == name) for name in names]
    return 100 * float(np.mean(hits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="mmerc-mini")
    parser.add_argument("--cache", type=Path, default=Path("urdu.npy"))
    options = parser.parse_args()
    model = load_model(options.model)
    name = str(TrainedOn.read(locate_model(options.model)).extractors["audio"])
    table, speakers, gold = read_table(options.folder, name, options.cache)
    ways = {"as they are": None, "one recording": LevellingConfig(by="recording")}
    for prior in (40, 20, 10, 5, 2):
        ways[f"by speaker, prior {prior}"] = LevellingConfig(speaker_prior=prior)
    for name, levelling in ways.items():
        print(f"{name:22} {recall(model, levelling, table, speakers, gold):.1f}", flush=True)


if __name__ == "__main__":
    main()
