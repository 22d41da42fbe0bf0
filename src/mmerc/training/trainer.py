"""Training of one seed with Lightning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader, feature_statistics, sampled_loader
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.examples import Example
from mmerc.data.sampling import DEFAULT_PADDING, BalancedSampler, BatchItem, TrainingSampler
from mmerc.errors import MmercError, StoppedError
from mmerc.free_memory import keep_memory
from mmerc.models.base import AnyModel
from mmerc.models.registry import create_model
from mmerc.models.saved_model import load_weights
from mmerc.models.training_data import TrainingStatistics
from mmerc.prediction.run_model import build_model_examples
from mmerc.training.best_epoch import BestEpoch, Patience, ResumeState
from mmerc.training.checkpoint import SafetensorsCheckpointIO
from mmerc.training.hardware import Hardware
from mmerc.training.initial_encoder import copy_text_encoder
from mmerc.training.memory import MemoryRelease
from mmerc.training.module import MONITORED, TrainingModule
from mmerc.training.optimization import Plateau
from mmerc.training.prior import log_prior_ratio, rare_class_offsets
from mmerc.training.recipe import DEFAULT_BATCH, Recipe, TrainingConfig
from mmerc.training.reporting import Reporter
from mmerc.training.scoring import check_sounds
from mmerc.training.training_remarks import (
    Weights,
    kept_weights,
    remark_on_averaging,
    remark_on_majority,
    remark_on_soft_labels,
    remark_on_warmup,
)

_PADDING_OF_VECTORS = 0.3
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model with the weights of its best epoch, its validation score, and remarks.

    ``weights``: whether they are averaged or from a single step.
    """

    model: AnyModel
    epoch: int
    valid_weighted_f1: float
    steps: int
    weights: Weights
    remarks: tuple[str, ...]


class _ConversationData(lightning.LightningDataModule):
    """Data loaders of one seed; in data-parallel training each process reads its own batches."""

    def __init__(
        self,
        train: list[Example],
        valid: list[Example],
        *,
        model: AnyModel,
        settings: TrainingConfig,
        seed: int,
    ) -> None:
        super().__init__()
        self.train, self.valid = train, valid
        self.tokenizer, self.labels = model.tokenizer, model.labels
        self.settings, self.seed = settings, seed
        self.by_utterance = model.unit == "utterance"
        self.padding = _allowed_padding(model, settings)

    def train_dataloader(self) -> Any:
        trainer = self.trainer
        rank, world = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        sampler = self.training_sampler(rank=rank, world=world)
        return sampled_loader(self.train, self.tokenizer, sampler)

    def count_epochs(self, processes: int) -> int:
        """Number of epochs when training on ``processes`` processes."""
        return self.settings.count_epochs(len(self.training_sampler(world=processes)))

    def training_sampler(self, *, rank: int = 0, world: int = 1) -> TrainingSampler:
        """Return the sampler for one process's share of the training batches."""
        settings = self.settings
        items = [BatchItem.of(example) for example in self.train]
        if not self.by_utterance:
            count = settings.count_batches([len(example) for example in self.train])
            return TrainingSampler(
                items, batches=count, padding=self.padding, seed=self.seed, rank=rank, world=world
            )
        return BalancedSampler(
            items,
            [int(example.labels) for example in self.train],
            size=settings.count_batch_utterances(len(items)), seed=self.seed,
            upsampling=settings.upsampling, per_epoch=settings.utterances_per_epoch,
            padding=self.padding, rank=rank, world=world,
        )  # fmt: skip

    def val_dataloader(self) -> Any:
        settings = self.settings
        chosen = settings.batch_utterances if self.by_utterance else settings.batch_conversations
        size = chosen or DEFAULT_BATCH
        return batch_loader(self.valid, tokenizer=self.tokenizer, size=size, shuffle=False)

    def transfer_batch_to_device(
        self, batch: ConversationBatch, device: torch.device, dataloader_idx: int
    ) -> ConversationBatch:
        return batch.to(device, non_blocking=True)


def _allowed_padding(model: AnyModel, settings: TrainingConfig) -> float:
    """Return the largest share of padding in training batches.

    [decided] Unlimited (random batches) if a loss compares conversations across the batch, or if
    the model reads the text of whole conversations: the encoder, which takes nearly all the time,
    then groups or packs rows regardless of the batch. Padding of stored vectors is cheap compared
    to the fixed cost of a batch, and with 0.1 the same conversations would always share a batch.
    """
    reads_text = model.text_encoder is not None
    if model.compares_conversations or (model.unit == "conversation" and reads_text):
        return 1.0
    if settings.padding is not None:
        return settings.padding
    return DEFAULT_PADDING if model.unit == "utterance" else _PADDING_OF_VECTORS


def train_seed(
    recipe: Recipe,
    corpus: PreparedCorpus,
    directory: Path,
    *,
    seed: int,
    hardware: Hardware,
    report: Reporter,
) -> Trained | None:
    """Train one seed, resuming from ``resume.safetensors`` if it exists.

    Returns None in secondary processes of a data-parallel run; only the main process continues.
    """
    if recipe.model.speech is not None:
        check_sounds(corpus)
    quiet_lightning()
    keep_memory()
    lightning.seed_everything(seed, verbose=False)
    widths: dict[Modality, int] = {m: t.spec.dim for m, t in corpus.features.items()}
    model = create_model(recipe.model, labels=corpus.labels, widths=widths)
    if recipe.training.initial_text_encoder is not None:
        copy_text_encoder(recipe.training.initial_text_encoder, model)
    examples = {
        split: build_model_examples(model, corpus.splits[split], corpus.features, corpus.sounds)
        for split in ("train", "valid")
    }
    settings = recipe.training
    _fit_statistics(model, examples["train"], settings)
    data = _ConversationData(
        examples["train"], examples["valid"],
        model=model, settings=settings, seed=seed,
    )  # fmt: skip
    best = BestEpoch(directory, report)
    callbacks: list[lightning.Callback] = []
    if settings.patience is not None:
        callbacks.append(Patience(MONITORED, mode="max", patience=settings.patience))
    if settings.schedule == "plateau":
        callbacks.append(Plateau(settings))
    trainer = create_trainer(
        directory, best, hardware,
        epochs=data.count_epochs(hardware.devices), precision=hardware.precision(recipe),
        callbacks=callbacks,
    )  # fmt: skip
    module = TrainingModule(model, settings, seed=seed)
    fit(trainer, module, directory, data)
    if not trainer.is_global_zero:
        return None
    model.cpu()
    load_weights(model, best.weights)
    return Trained(
        model=model, epoch=best.best_epoch, valid_weighted_f1=best.best, steps=trainer.global_step,
        weights=kept_weights(best.history[best.best_epoch]),
        remarks=_find_remarks(trainer, best, data, settings),
    )  # fmt: skip


def _find_remarks(
    trainer: lightning.Trainer, best: BestEpoch, data: _ConversationData, settings: TrainingConfig
) -> tuple[str, ...]:
    """Collect remarks on why the result of a training may be unreliable."""
    warmup = settings.count_warmup(int(trainer.estimated_stepping_batches))
    training, validation = (
        torch.cat([example.labels for example in examples]).tolist()
        for examples in (data.train, data.valid)
    )
    remarks = (
        remark_on_warmup(steps=trainer.global_step, warmup=warmup),
        remark_on_majority(best.best, training=training, validation=validation, labels=data.labels),
        remark_on_averaging(best.history),
        remark_on_soft_labels(
            present=any(example.soft_labels is not None for example in data.train),
            weight=settings.soft_label_weight,
        ),
    )
    return tuple(remark for remark in remarks if remark is not None)


def _fit_statistics(model: AnyModel, examples: list[Example], settings: TrainingConfig) -> None:
    """Pass the statistics of the training split and the logit offsets to the model."""
    statistics = _statistics_of(examples, classes=len(model.labels))
    model.fit(statistics)
    offsets = rare_class_offsets(statistics.label_counts, strength=settings.logit_adjustment)
    if settings.prior_correction:
        offsets = offsets + log_prior_ratio(
            statistics.label_counts,
            upsampling=settings.upsampling if model.unit == "utterance" else 0.0,
            class_weights=model.class_weights if model.config.class_balance > 0 else None,
        )
    model.logit_offsets = None if offsets.abs().max() < _ROUNDING else tuple(offsets.tolist())


def _statistics_of(examples: list[Example], *, classes: int) -> TrainingStatistics:
    """Compute the statistics of the training split."""
    labels = torch.cat([example.labels for example in examples])
    return TrainingStatistics(
        features=feature_statistics(examples),
        label_counts=torch.bincount(labels[labels >= 0], minlength=classes),
    )


def create_trainer(
    directory: Path,
    best: BestEpoch,
    hardware: Hardware,
    *,
    epochs: int,
    precision: Any,
    callbacks: Sequence[lightning.Callback] = (),
    tensorboard: bool = True,
) -> lightning.Trainer:
    """Create a Lightning trainer that keeps the best epoch and resumes without pickle.

    MmercError if this machine lacks the hardware.
    """
    logger = TensorBoardLogger(directory, name="", version="tensorboard") if tensorboard else False
    bar = [TQDMProgressBar(refresh_rate=5, leave=False)] if hardware.progress else []
    try:
        return lightning.Trainer(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            strategy="auto" if hardware.devices == 1 else "ddp_find_unused_parameters_true",
            precision=precision,
            max_epochs=epochs,
            callbacks=[best, *callbacks, ResumeState(best), MemoryRelease(), *bar],
            logger=logger,
            plugins=[SafetensorsCheckpointIO()],
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            enable_model_summary=False,
            enable_progress_bar=hardware.progress,
            use_distributed_sampler=False,
        )
    except MisconfigurationException as error:
        options = f"--accelerator {hardware.accelerator} --devices {hardware.devices}"
        reason = str(error).strip().splitlines()[0].rstrip(".!")
        raise MmercError(f"This machine has no such hardware ({options}): {reason}.") from error


def fit(
    trainer: lightning.Trainer,
    module: lightning.LightningModule,
    directory: Path,
    train: Any,
    valid: Any = None,
) -> None:
    """Train, resuming from ``resume.safetensors`` in ``directory`` if it exists.

    ``train`` is a data module or a loader of training batches; ``valid`` loads validation batches.
    """
    resume = directory / "resume.safetensors"
    try:
        trainer.fit(module, train, valid, ckpt_path=resume if resume.exists() else None)
    except SystemExit as error:  # Lightning's response to Ctrl-C and SIGTERM
        by_user = isinstance(error.__context__, KeyboardInterrupt)
        raise (StoppedError if by_user else MmercError)(
            f"{directory}: training was stopped; to resume, run the same command again "
            "(train: with --resume)."
        ) from error


def quiet_lightning() -> None:
    """Silence Lightning's messages about itself."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*many workers.*", ".*exists and is not empty.*", ".*LeafSpec.*", ".*logging interval.*",
    ):  # fmt: skip
        warnings.filterwarnings("ignore", message)
