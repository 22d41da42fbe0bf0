"""Does levelling by speaker help voices of people the model never heard, in another language?

Reads a folder of the URDU corpus (Angry, Happy, Neutral, Sad; files SM1_F1_A01.flac, the first
part is the speaker), extracts IS10 vectors, and lets mmerc-mini name the emotion from the voice
alone, as it is, levelled as one recording, and levelled by speaker with several weights of the
recording (``SPEAKER_PRIOR`` in ``mmerc.inference.levelling``). Prints the unweighted recall of the
four emotions, the most probable of the four being named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc import predict
from mmerc.conversation import Conversation, Utterance
from mmerc.features.opensmile import OpenSmile
from mmerc.features.store import FeatureRow, FeatureTable
from mmerc.inference import levelling
from mmerc.media.segment import Clip, Segment
from mmerc.models.registry import load_model

LABELS = {"Angry": "anger", "Happy": "joy", "Neutral": "neutral", "Sad": "sadness"}


def read_table(folder: Path, cache: Path) -> tuple[FeatureTable, dict[str, str], list[str]]:
    """IS10 vectors by file name, the speaker of each, and the emotion of each."""
    files = sorted(folder.rglob("*.flac"))
    extractor = OpenSmile("is10")
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


def recall(model: object, table: FeatureTable, gold: list[str]) -> float:
    """Unweighted recall in percent; every clip is a conversation of its own."""
    names: NDArray[np.str_] = np.array(sorted(set(gold)))
    conversations = [
        Conversation(id="urdu", utterances=(Utterance(id=u, speaker="s", text=""),))
        for _, u in table.rows
    ]
    answers = [predict(model, [item], {"audio": table})[0].probabilities for item in conversations]
    named = names[[np.argmax([p[name] for name in names]) for p in answers]]
    hits = [np.mean(named[np.array(gold) == name] == name) for name in names]
    return 100 * float(np.mean(hits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("urdu-is10.npy"))
    options = parser.parse_args()
    table, speakers, gold = read_table(options.folder, options.cache)
    model = load_model("mmerc-mini")
    mean, deviation = (values.numpy() for values in model.inputs.statistics("audio"))
    training = levelling.Statistics(mean=mean, deviation=deviation)
    print(f"as they are            {recall(model, table, gold):.1f}")
    for prior in (float("inf"), 40, 20, 10, 5, 2):
        levelling.SPEAKER_PRIOR = prior if np.isfinite(prior) else 10**9
        levelled, _ = levelling.level_table(table, training, speakers=speakers)
        name = "one recording" if not np.isfinite(prior) else f"by speaker, prior {prior:.0f}"
        print(f"{name:22} {recall(model, levelled, gold):.1f}", flush=True)


if __name__ == "__main__":
    main()
