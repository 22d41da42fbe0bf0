"""All models by name: mmerc's own and those of plug-ins (``mmerc.models`` entry points).

A new model of mmerc is one folder next to this file and one line in ``_MODELS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmerc.conversation import Modality
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.labels import LabelSet
from mmerc.models.base import AnyModel, ConversationModel, ModelConfig
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
from mmerc.models.model_folder import locate_model
from mmerc.models.multiemo.model import MultiEmo
from mmerc.models.saved_model import read_model_config
from mmerc.nn.speech_encoder import SpeechEncoder
from mmerc.nn.text_encoder import TextEncoder
from mmerc.plugins import Plugin, find_plugins

_MODELS: dict[str, type[AnyModel]] = {
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


class ListedModel(NamedTuple):
    """A model in ``list_models``: the first sentence of its docstring, and its package."""

    summary: str
    package: str


def model_class(name: str) -> type[AnyModel]:
    """Look up a model of mmerc or of an installed plug-in by name.

    UsageError for an unknown name, MmercError for a plug-in that does not provide a model.
    """
    if name in _MODELS:
        return _MODELS[name]
    plugins = _find_model_plugins()
    if name not in plugins:
        raise UsageError(f"No model is called {name!r}; available: {', '.join(_model_names())}.")
    return _load_plugin_model(plugins[name])


def _model_names() -> list[str]:
    """Return the names of all models: mmerc's own, then those of installed plug-ins."""
    return [*_MODELS, *_find_model_plugins()]


def list_models() -> dict[str, ListedModel]:
    """Describe all models by name; for an unusable plug-in, give the reason."""
    models = {name: ListedModel(summary(model), "mmerc") for name, model in _MODELS.items()}
    for name, plugin in _find_model_plugins().items():
        try:
            models[name] = ListedModel(summary(_load_plugin_model(plugin)), plugin.package)
        except MmercError as error:
            models[name] = ListedModel(str(error), plugin.package)
    return models


def summary(model: type[AnyModel]) -> str:
    """Return the first sentence of a model's own docstring, "" if it has none."""
    text = " ".join((model.__doc__ or "").split())
    return text.partition(". ")[0].removesuffix(".")


def _find_model_plugins() -> dict[str, Plugin]:
    """Find models of other packages; MmercError if one uses the name of an mmerc model."""
    plugins = find_plugins("mmerc.models")
    for name in plugins.keys() & _MODELS.keys():
        package = plugins[name].package
        raise MmercError(
            f"The package {package} adds a model called {name!r}, a name that mmerc itself uses; "
            f"uninstall {package} or rename its model."
        )
    return plugins


def _load_plugin_model(plugin: Plugin) -> type[AnyModel]:
    """Import a plug-in's model and check that it is usable."""
    model = plugin.load()
    if not (isinstance(model, type) and issubclass(model, ConversationModel)):
        problem = "is not a subclass of mmerc.models.base.ConversationModel"
    elif missing := sorted(model.__abstractmethods__):
        problem = f"does not implement {' and '.join(missing)}"
    elif getattr(model, "name", None) != plugin.name:
        problem = f"has the name {getattr(model, 'name', None)!r}, not that of its entry point"
    elif not _is_config_class(getattr(model, "config_class", None)):
        problem = "has no config_class that is a subclass of mmerc.models.base.ModelConfig"
    else:
        return model
    raise MmercError(
        f"The model {plugin.name!r} of the package {plugin.package} {problem}; "
        f"fix or uninstall {plugin.package}."
    )


def _is_config_class(value: object) -> bool:
    """Whether ``value`` is a subclass of ``ModelConfig``."""
    return isinstance(value, type) and issubclass(value, ModelConfig)


def create_model(
    config: ModelConfig, *, labels: LabelSet, widths: Mapping[Modality, int]
) -> AnyModel:
    """Create an untrained model with pre-trained encoders.

    ``widths`` are the widths of the corpus's vectors. MmercError if the model uses a modality
    without vectors, or an encoder cannot be loaded.
    """
    encoder = None
    if config.trains_text_encoder and config.text_encoder is not None:
        encoder = TextEncoder.from_source(config.text_encoder)
    speech = None if config.speech is None else SpeechEncoder.from_source(config.speech)
    trained = {"text": encoder is not None, "audio": speech is not None}
    for modality in config.modalities:
        if modality not in widths and not trained.get(modality):
            raise MmercError(
                f"The corpus has no {modality} vectors, which the recipe's model needs; prepare "
                "them, or leave the modality out (--set 'model.modalities=[...]')."
            )
    return model_class(config.name)(
        config, labels=labels, widths=widths, text_encoder=encoder, speech_encoder=speech
    )


def load_model(source: str | Path) -> AnyModel:
    """Load a trained model, in evaluation mode.

    ``source`` is a run folder (its seed best on validation), a model folder, a model that comes
    with mmerc ("mmerc-mini"), or a Hugging Face Hub repository, looked up in this order. The model
    may be one of an installed plug-in. InputError or MmercError, in one sentence, if there is no
    such model, it is damaged, or nothing installed provides its class.
    """
    folder = locate_model(source)
    name = str(read_model_config(folder)["model"]["name"])
    try:
        model = model_class(name)
    except UsageError as error:
        problem = f"a model called {name!r}, which neither mmerc nor an installed package provides"
        fix = f"install the package that provides it (available: {', '.join(_model_names())})"
        raise InputError(folder / "config.json", problem, fix) from error
    return model.from_pretrained(folder)
