"""The methods paragraph of a study, with references."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmerc.errors import InputError
from mmerc.files import read_text
from mmerc.models.embedded_models import find_embedded_model
from mmerc.studies.measure_row import Measure
from mmerc.studies.report.study_data import StudyData
from mmerc.version import __version__

_HEADING = re.compile(r"^## ", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")

REFERENCES = (
    "Bakeman, R., Robinson, B. F., & Quera, V. (1996). Testing sequential association: Estimating "
    "exact p values using sampled permutations. Psychological Methods, 1(1), 4-15.",
    "Efron, B., & Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall.",
    "Hatfield, E., Cacioppo, J. T., & Rapson, R. L. (1993). Emotional contagion. Current "
    "Directions in Psychological Science, 2(3), 96-99.",
    "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics, 6(2), 65-70.",
    "Kuppens, P., Allen, N. B., & Sheeber, L. B. (2010). Emotional inertia and psychological "
    "maladjustment. Psychological Science, 21(7), 984-991.",
    "Moulder, R. G., Boker, S. M., Ramseyer, F., & Tschacher, W. (2018). Determining synchrony "
    "between behavioral time series: An application of surrogate data generation for establishing "
    "falsifiable null-hypotheses. Psychological Methods, 23(4), 757-773.",
    "Phipson, B., & Smyth, G. K. (2010). Permutation p-values should never be zero: Calculating "
    "exact p-values when permutations are randomly drawn. Statistical Applications in Genetics and "
    "Molecular Biology, 9(1), Article 39.",
    "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. "
    "Journal of the American Statistical Association, 22(158), 209-212.",
)
_DF_ERC = (
    "Li, B., Fei, H., Liao, L., Zhao, Y., Teng, C., Chua, T.-S., Ji, D., & Li, F. (2023). "
    "Revisiting disentanglement and fusion on modality and context in conversational multimodal "
    "emotion recognition. Proceedings of the 31st ACM International Conference on Multimedia."
)
_WINKLER = (
    "Winkler, A. M., Webster, M. A., Vidaurre, D., Nichols, T. E., & Smith, S. M. (2015). "
    "Multi-level block permutation. NeuroImage, 123, 253-268."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """A paragraph for a paper, its references, and facts from the model cards."""

    paragraph: str
    references: tuple[str, ...]
    models: tuple[tuple[str, tuple[str, ...]], ...]


def describe_methods(data: StudyData, measures: Sequence[Measure]) -> Methods:
    """Describe the methods of a study."""
    rows = list(data.recordings.values())
    models = tuple(sorted({str(row["model"]) for row in rows if row.get("model")}))
    cards = tuple((name, _read_card(name)) for name in models)
    references = list(REFERENCES)
    compared = any(row.condition for row in measures)
    if any("df-erc" in " ".join(lines).lower() for _, lines in cards):
        references.append(_DF_ERC)
    if compared:
        references.append(_WINKLER)
    versions = sorted({str(row["mmerc"]) for row in rows if row.get("mmerc")}) or [__version__]
    references.append(f"mmerc (version {', '.join(versions)}) [Computer software].")
    sentences = [
        *_describe_predictions(data, models, versions),
        *_describe_measures(measures),
    ]
    if compared:
        sentences.append(
            "Differences between conditions were tested by permuting the conditions of recordings, "
            "in blocks where recordings share participants (Winkler et al., 2015)."
        )
    return Methods(
        paragraph=" ".join(sentences),
        references=tuple(sorted(references, key=str.casefold)),
        models=cards,
    )


def _describe_predictions(
    data: StudyData, models: Sequence[str], versions: Sequence[str]
) -> list[str]:
    """Describe the data and the models."""
    labels = data.sequences.labels
    named = f" with the model{'s' * (len(models) > 1)} {', '.join(models)}" if models else ""
    sentences = [
        f"The emotion of each of {len(data.confidence):,} utterances in "
        f"{len(data.recording_names):,} recordings was predicted by mmerc (version "
        f"{', '.join(versions)}){named}, which chooses among {', '.join(labels[:-1])} and "
        f"{labels[-1]}; predictions say how annotators would probably label an utterance, not what "
        "a person felt."
    ]
    sources = Counter(
        str(row["words_from"]) for row in data.recordings.values() if row.get("words_from")
    )
    if sources:
        parts = ", ".join(f"{name} in {count:,}" for name, count in sources.most_common())
        sentences.append(f"Words came from {parts} recordings.")
    present = [f"{name} in {mean:.0%}" for name, mean in _present_shares(data)]
    if present:
        sentences.append(f"Of the utterances, the model used {', '.join(present)}.")
    sentences.append(
        "Intervals (95 %) of shares are bootstrap intervals over recordings (Efron & Tibshirani, "
        "1993), those of single persons Wilson's (1927)."
    )
    return sentences


def _present_shares(data: StudyData) -> list[tuple[str, float]]:
    """Return the share of utterances with each modality."""
    names = {"text": "words", "audio": "sound", "video": "faces"}
    return [(names[m], float(values.mean())) for m, values in data.present.items() if len(values)]


def _describe_measures(measures: Sequence[Measure]) -> list[str]:
    """Describe the measures and their null models."""
    tested = [row for row in measures if row.p_value is not None]
    if not tested:
        return []
    shuffles, seed = tested[0].shuffles, tested[0].seed
    return [
        "Emotional inertia is the share of utterances whose speaker's next utterance has the same "
        "emotion (Kuppens et al., 2010); contagion the share of utterances followed by another "
        "speaker's utterance with the same emotion (Hatfield et al., 1993).",
        f"Inertia and transitions were compared with {shuffles:,} random orders of each speaker's "
        "emotions within the conversation (Bakeman et al., 1996), contagion with as many circular "
        "shifts of each speaker's emotions, which keep the speaker's own inertia (Moulder et al., "
        f"2018; seed {seed}).",
        "P values are two-sided, count the data as one arrangement (Phipson & Smyth, 2010), and "
        f"are corrected for {len(tested)} tests (Holm, 1979).",
    ]


def _read_card(model: str) -> tuple[str, ...]:
    """Return the first facts of a model's card and its untested uses; none without a card."""
    folder = find_embedded_model(model) or Path(model)
    path = folder / "README.md"
    try:
        text = read_text(path) if path.is_file() else ""
    except (InputError, OSError):
        return ()
    head, *sections = _HEADING.split(_LINK.sub(r"\1", text))
    facts = [line[2:].strip() for line in head.splitlines() if line.startswith("- ")]
    for section in sections:
        title, _, body = section.partition("\n")
        if title.startswith(("Data", "What it was not tested on")):
            facts.append(f"{title.strip()}: {' '.join(body.split())}")
    return tuple(facts)
