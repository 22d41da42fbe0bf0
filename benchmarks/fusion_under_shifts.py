"""Is a model with a misleading modality worse than one without that modality?

Prints the weighted F1 of every set of modalities under every shift of one modality, as on a model
card (``mmerc package --media``), and the gap to the best undisturbed set without that modality,
which should not be below -1. `--renew-card` measures a packaged model and rewrites its card.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmerc.data.corpus import PreparedCorpus
from mmerc.models.registry import load_model
from mmerc.training.card_tables import shift_section
from mmerc.training.modality_shifts import RECORDING_CONVERSATIONS, measure_shifts
from mmerc.training.packaging import renew_card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("media", type=Path)
    parser.add_argument("--model", default="mmerc-mini")
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    parser.add_argument("--together", type=int, default=RECORDING_CONVERSATIONS)
    parser.add_argument("--renew-card", action="store_true")
    arguments = parser.parse_args()
    corpus = PreparedCorpus.load(arguments.corpus)
    if arguments.renew_card:
        renew_card(arguments.model, corpus, media=arguments.media, report=print)
        return
    measured = measure_shifts(
        load_model(arguments.model), corpus, arguments.media,
        split=arguments.split, size=arguments.together, report=lambda line: None,
    )  # fmt: skip
    if measured is None:
        parser.error("the model has a single modality, or reads utterances separately")
    print("\n".join(shift_section(measured)))


if __name__ == "__main__":
    main()
