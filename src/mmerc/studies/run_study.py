"""A study from its plan to its tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmerc.executors.executor import Engine, Executor
from mmerc.files import file_fingerprint, fingerprint
from mmerc.inference.pipeline.components import choose_model
from mmerc.models.registry import locate_model
from mmerc.studies.recording_analysis import PrepareAnalyzer, fail_lost
from mmerc.studies.study_file import StudySettings
from mmerc.studies.study_folder import StudyFolder
from mmerc.studies.study_plan import StudyPlan
from mmerc.studies.study_recordings import RecordingOutcome
from mmerc.studies.study_tables import write_tables


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """What became of the recordings of a study, by name, and the tables that were written."""

    outcomes: tuple[RecordingOutcome, ...]
    tables: tuple[Path, ...]

    @property
    def failed(self) -> list[RecordingOutcome]:
        """The recordings that could not be analysed."""
        return [outcome for outcome in self.outcomes if outcome.state == "failed"]

    def count(self, state: str) -> int:
        """Count the recordings with this state."""
        return sum(outcome.state == state for outcome in self.outcomes)


def run_study(
    plan: StudyPlan,
    out: str | Path,
    *,
    workers: int,
    engine: Engine = "local",
    again: bool = False,
    trusted: Collection[str] = (),
    report: Callable[[RecordingOutcome], None] = lambda outcome: None,
) -> StudyResult:
    """Analyse what is new or changed in a study, and write its tables.

    ``again`` analyses finished recordings too; ``trusted`` names finished ones whose files need not
    be read again. ``report`` is called with every recording that is finished. A recording that
    cannot be analysed is an outcome. InputError if the results cannot be written, or if another
    command is using ``out``.
    """
    folder = StudyFolder(Path(out).absolute())
    with folder.lock():
        outcomes = []
        for outcome in _analyse(plan, folder, trusted, workers=workers, engine=engine, again=again):
            outcomes.append(outcome)
            report(outcome)
        outcomes.sort(key=lambda outcome: (outcome.name, outcome.file))
        return StudyResult(
            outcomes=tuple(outcomes), tables=tuple(write_tables(folder, plan, outcomes))
        )


def _analyse(
    plan: StudyPlan,
    folder: StudyFolder,
    trusted: Collection[str],
    *,
    workers: int,
    engine: Engine,
    again: bool,
) -> Iterator[RecordingOutcome]:
    """Yield the outcomes of all recordings, as they are finished."""
    yield from plan.failed
    remaining = [item for item in plan.recordings if item.name not in trusted]
    for item in plan.recordings:
        if item.name in trusted:
            yield RecordingOutcome(name=item.name, file=str(item.file), state="unchanged")
    if not remaining:
        return
    prepare = PrepareAnalyzer(
        study=folder.path,
        settings=plan.settings,
        model_fingerprint=_fingerprint_models(plan.settings),
        again=again,
    )
    executor = Executor(jobs=min(workers, len(remaining)), engine=engine, isolated=True)
    yield from executor.stream(prepare, remaining, lost=fail_lost)


def _fingerprint_models(settings: StudySettings) -> str:
    """Fingerprint of the files of the models that the settings choose."""
    name = choose_model(
        settings.model, commercial_only=settings.commercial_only, live=settings.live
    )
    folders = [locate_model(name), Path(settings.whisper)]
    return fingerprint([_fingerprint_folder(folder) for folder in folders])


def _fingerprint_folder(folder: Path) -> list[list[str]]:
    """Names and fingerprints of the files of a folder; none if there is no such folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [[str(path.relative_to(folder)), file_fingerprint(path)] for path in files]
