"""Keep the best epoch on validation, by weighted F1. No option changes that."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lightning
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from safetensors.torch import save_file
from torch import Tensor, nn

from mmerc.csv_text import format_csv
from mmerc.files import atomic_file, write_text
from mmerc.training.module import MONITORED
from mmerc.training.reporting import Reporter


@runtime_checkable
class _AveragedModule(Protocol):
    """A Lightning module that names the network to validate and keep."""

    @property
    def chosen(self) -> nn.Module: ...


class BestEpoch(lightning.Callback):
    """Keeps the weights of the epoch with the best ``metric`` and writes a CSV of all epochs."""

    def __init__(
        self,
        directory: Path,
        report: Reporter,
        *,
        metric: str = MONITORED,
        title: str = "valid weighted F1",
    ) -> None:
        self.directory = directory
        self.report = report
        self.metric, self.title = metric, title
        self.best = float("-inf")
        self.best_epoch = -1
        self.history: list[dict[str, float]] = []
        self.started = time.monotonic()

    @property
    def weights(self) -> Path:
        return self.directory / "best.safetensors"

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if not isinstance(pl_module, _AveragedModule):
            raise TypeError(f"{type(pl_module).__name__} does not say which network is kept")
        epoch = trainer.current_epoch
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {"epoch": epoch, "seconds": time.monotonic() - self.started, **measured}
        self.history = [*self.history, row]
        if measured[self.metric] > self.best:
            self.best, self.best_epoch = measured[self.metric], epoch
            if trainer.is_global_zero:
                save_weights(pl_module.chosen.state_dict(), self.weights)
        if trainer.is_global_zero:
            write_text(self.directory / "history.csv", _history_csv(self.history))

    def report_epoch(self, epochs: int | None) -> None:
        """Report the latest of ``epochs`` epochs."""
        row = self.history[-1]
        self.report(
            f"epoch {len(self.history)}/{epochs}: loss {row['train_loss']:.3f}, "
            f"{self.title} {row[self.metric]:.2f} (best {self.best:.2f} in epoch "
            f"{self.best_epoch + 1}), {row['seconds']:.1f} s"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.best_epoch = state_dict["best_epoch"]
        self.history = state_dict["history"]


class ResumeState(ModelCheckpoint):
    """Writes ``resume.safetensors`` after every epoch and then reports the epoch."""

    FILE_EXTENSION = ".safetensors"

    def __init__(self, best: BestEpoch) -> None:
        super().__init__(
            dirpath=best.directory, filename="resume", every_n_epochs=1, save_top_k=1,
            save_on_train_epoch_end=True, enable_version_counter=False,
        )  # fmt: skip
        self.best = best

    @property
    def state_key(self) -> str:
        """The key used by earlier versions, so that their runs can be resumed."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.is_global_zero:
            self.best.report_epoch(trainer.max_epochs)


class Patience(EarlyStopping):
    """Stops training without improvement, also when it is resumed after its last epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def save_weights(state: dict[str, Tensor], path: Path) -> None:
    """Write a state dictionary as safetensors, atomically."""
    with atomic_file(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)


def _history_csv(rows: list[dict[str, float]]) -> str:
    """Return rows as CSV; rows of versions with fewer measures have empty cells."""
    return format_csv(list(dict.fromkeys(name for row in rows for name in row)), rows)
