"""Every model by name. A new model is one folder beside this file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmerc.conversation import Modality
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.files import read_json
from mmerc.labels import LabelSet
from mmerc.models.base import AnyModel, ModelConfig
from mmerc.models.baselines.audio_only import AudioOnly
from mmerc.models.baselines.bc_lstm import BcLstm
from mmerc.models.baselines.bottleneck import Bottleneck
from mmerc.models.baselines.dialogue_rnn_classifier import DialogueRnnClassifier
from mmerc.models.baselines.language_model import LanguageModelClassifier
from mmerc.models.baselines.majority import Majority
from mmerc.models.baselines.mult import Mult
from mmerc.models.baselines.single_stream import SingleStream
from mmerc.models.baselines.text_only import TextOnly
from mmerc.models.baselines.vector_fusion import Concatenation, LateFusion
from mmerc.models.df_erc.model import DfErc
from mmerc.models.dq_former.model import DqFormer
from mmerc.models.embedded_models import find_embedded_model
from mmerc.models.multiemo.model import MultiEmo
from mmerc.models.saved_model import download_model, read_model_config
from mmerc.nn.speech_encoder import SpeechEncoder
from mmerc.nn.text_encoder import TextEncoder

MODELS: dict[str, type[AnyModel]] = {
    model.name: model
    for model in (
        DfErc,
        MultiEmo,
        DqFormer,
        Majority,
        Concatenation,
        LateFusion,
        BcLstm,
        DialogueRnnClassifier,
        LanguageModelClassifier,
        SingleStream,
        Mult,
        Bottleneck,
        TextOnly,
        AudioOnly,
    )
}


def model_class(name: str) -> type[AnyModel]:
    """Look up a model by name."""
    if name not in MODELS:
        raise UsageError(f"No model is called {name!r}; known: {', '.join(MODELS)}.")
    return MODELS[name]


def create_model(
    config: ModelConfig, *, labels: LabelSet, widths: Mapping[Modality, int]
) -> AnyModel:
    """A fresh model; the encoders that it trains are loaded pre-trained.

    ``widths`` are those of the corpus's vectors; MmercError where a modality is missing.
    """
    encoder = None
    if config.trains_text_encoder and config.text_encoder is not None:
        encoder = TextEncoder.from_source(config.text_encoder)
    speech = None if config.speech is None else SpeechEncoder.from_source(config.speech)
    trained = {"text": encoder is not None, "audio": speech is not None}
    for modality in config.modalities:
        if modality not in widths and not trained.get(modality):
            raise MmercError(
                f"The corpus has no {modality} vectors, which the recipe's model takes; prepare "
                "them, or leave the modality out (--set 'model.modalities=[...]')."
            )
    return model_class(config.name)(
        config, labels=labels, widths=widths, text_encoder=encoder, speech_encoder=speech
    )


def load_model(source: Path | str) -> AnyModel:
    """Load a model folder, a run folder (its seed best on validation), a model that comes with
    mmerc (mmerc-mini), or a Hub repository.
    """
    folder = locate_model(source)
    name = str(read_model_config(folder)["model"]["name"])
    if name not in MODELS:
        problem = f"a model called {name!r}, which this version does not know"
        raise InputError(folder / "config.json", problem, f"known are {', '.join(MODELS)}")
    return MODELS[name].from_pretrained(folder)


def locate_model(source: Path | str) -> Path:
    """Folder of a model: a local one first, then what comes with mmerc, then the Hub."""
    folder = find_model_folder(Path(source))
    if folder.is_dir():
        return folder
    return find_embedded_model(str(source)) or download_model(str(source))


def find_model_folder(source: Path) -> Path:
    """The model inside a run folder, or ``source`` itself."""
    if not (source / "run.json").is_file():
        return source
    path = source / "result.json"
    if not path.is_file():
        fix = "finish it with `mmerc train ... --resume`"
        raise InputError(source, "a run without a finished seed (no result.json)", fix)
    value = read_json(path)
    try:
        seeds = value["seeds"] if isinstance(value, dict) else []
        best = max(seeds, key=lambda seed: seed["valid"]["weighted_f1"])
        return source / f"seed-{int(best['seed'])}" / "model"
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, "not the result of a run", "train the run again") from error
