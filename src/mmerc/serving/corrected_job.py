"""Predict the edited lines of an analysed job again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mmerc.errors import MmercError
from mmerc.serving.correction_desk import open_job_desk
from mmerc.serving.file_names import result_stem

if TYPE_CHECKING:
    from mmerc.inference.pipeline.pipeline import Pipeline
    from mmerc.inference.pipeline.progress import Step

_DELETED = "The analysis that was corrected is no longer there; analyse the recording again."


def explain_other_model(analysed: str, current: str) -> str:
    """Explain why an analysis by model ``analysed`` cannot be predicted again by ``current``."""
    return (
        f"{analysed} made the analysis, but this service predicts with {current}; analyse the "
        "recording again."
    )


def predict_job_again(
    folder: Path, *, name: str, load: Callable[[], Pipeline], report: Callable[[Step], None]
) -> None:
    """Predict the edited lines of the job in ``folder`` again, from its whole recording.

    ``name`` is the recording's name; ``load`` loads the service's model. MmercError if the job no
    longer exists, or was analysed by another model.
    """
    from mmerc.inference.correction.predict_again import predict_again

    if not (folder / "results").is_dir():
        raise MmercError(_DELETED)
    desk = open_job_desk(folder, stem=result_stem(name))
    pipeline = load()
    if pipeline.name != desk.log.analysis.model:
        raise MmercError(explain_other_model(desk.log.analysis.model, pipeline.name))
    try:
        predict_again(desk.log, pipeline, recording=desk.recording, report=report)
    except MmercError as error:
        if not (folder / "results").is_dir():
            raise MmercError(_DELETED) from error
        raise
