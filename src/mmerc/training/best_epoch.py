"""Which epoch is kept: the best weighted F1 on validation. No option changes that."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import EarlyStopping
from safetensors.torch import save_file
from torch import Tensor

from mmerc.files import atomic_file, write_text
from mmerc.training.module import MONITORED, TrainingModule
from mmerc.training.reporting import Reporter


class BestEpoch(lightning.Callback):
    """Keeps the weights of the best epoch, and the history of all of them as CSV."""

    def __init__(self, directory: Path, report: Reporter) -> None:
        self.directory = directory
        self.report = report
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
        if not isinstance(pl_module, TrainingModule):
            raise TypeError(f"expected a TrainingModule, got {type(pl_module).__name__}")
        epoch = trainer.current_epoch
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {"epoch": epoch, "seconds": time.monotonic() - self.started, **measured}
        self.history = [*self.history, row]
        if measured[MONITORED] > self.best:
            self.best, self.best_epoch = measured[MONITORED], epoch
            if trainer.is_global_zero:
                save_weights(pl_module.chosen.state_dict(), self.weights)
        if trainer.is_global_zero:
            write_text(self.directory / "history.csv", history_csv(self.history))
            self.report(
                f"epoch {epoch + 1}/{trainer.max_epochs}: loss {row['train_loss']:.3f}, "
                f"valid weighted F1 {row[MONITORED]:.2f} (best {self.best:.2f} in epoch "
                f"{self.best_epoch + 1}), {row['seconds']:.1f} s"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.best_epoch = state_dict["best_epoch"]
        self.history = state_dict["history"]


class Patience(EarlyStopping):
    """Ends training that no longer gets better, also when it is resumed after its last epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def save_weights(state: dict[str, Tensor], path: Path) -> None:
    """Write a state dictionary as safetensors, whole or not at all."""
    with atomic_file(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)


def history_csv(rows: list[dict[str, float]]) -> str:
    """CSV text of rows with the same keys."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
