"""Run a study: from its plan to its tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmerc.analysis_code import fingerprint_code
from mmerc.executors.executor import Engine, Executor, count_workers
from mmerc.files import file_fingerprint, fingerprint
from mmerc.models.embedded_models import choose_model
from mmerc.models.model_folder import locate_model
from mmerc.studies.analysis_task import NEEDED_BY_WORKERS, PrepareAnalyzer, fail_lost
from mmerc.studies.fetched_recording import discard_copies
from mmerc.studies.remote_files import RemoteFolder, is_url
from mmerc.studies.remote_results import RemoteResults
from mmerc.studies.study_file import StudySettings
from mmerc.studies.study_folder import StudyFolder
from mmerc.studies.study_plan import StudyPlan
from mmerc.studies.study_recordings import RecordingOutcome, StudyRecording
from mmerc.studies.study_tables import write_tables

# [decided] Libraries keep memory for every new shape (docs/speed.md); reloading the models costs a
# few seconds of processor time.
_RECORDINGS_PER_PROCESS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """The outcomes of a study's recordings, by name, and the written tables.

    ``former``: names of previously analysed recordings that are no longer in the study. ``folder``
    has the tables on this machine, even if the results are ``remote``.
    """

    outcomes: tuple[RecordingOutcome, ...]
    tables: tuple[Path, ...]
    former: tuple[str, ...] = ()
    folder: Path = Path()
    remote: RemoteResults | None = None

    @property
    def failed(self) -> list[RecordingOutcome]:
        """The failed recordings."""
        return [outcome for outcome in self.outcomes if outcome.state == "failed"]

    def count(self, state: str) -> int:
        """Count the recordings with this state."""
        return sum(outcome.state == state for outcome in self.outcomes)


def run_study(
    plan: StudyPlan,
    out: str | Path,
    *,
    workers: int | None,
    engine: Engine = "local",
    again: bool = False,
    trusted: Collection[str] = (),
    report: Callable[[RecordingOutcome], None] = lambda outcome: None,
) -> StudyResult:
    """Analyse new and changed recordings of a study, and write its tables.

    ``workers`` recordings are analysed in parallel (None: one per core of this machine or of the
    cluster). ``again``: also analyse finished recordings. ``trusted``: finished recordings whose
    files need not be read again. ``report`` is called with every outcome, including failures.
    InputError if the results cannot be written, or if another command is using ``out``.
    """
    remote = RemoteResults(RemoteFolder(str(out))) if is_url(out) else None
    folder = StudyFolder(Path(out).absolute()) if remote is None else remote.copy
    with folder.lock():
        if remote is not None:
            remote.claim()
        prepare = PrepareAnalyzer(
            study=folder.path,
            settings=plan.settings,
            model_fingerprint=_fingerprint_models(plan.settings) if plan.recordings else "",
            code_fingerprint=fingerprint_code(),
            again=again,
            remote=remote,
        )
        outcomes = []
        try:
            for outcome in _analyse(plan, prepare, trusted, workers=workers, engine=engine):
                outcomes.append(outcome)
                report(outcome)
        finally:
            discard_copies(plan.recordings, study=folder.path)
        outcomes.sort(key=lambda outcome: (outcome.name, outcome.file))
        current = {item.name for item in plan.recordings} | {item.name for item in plan.failed}
        if remote is not None:
            finished = {item.name for item in outcomes if item.state != "failed"}
            remote.fetch([item for item in plan.recordings if item.name in finished])
        tables = write_tables(folder, plan, outcomes)
        if remote is not None:
            remote.put_files(tables)
        return StudyResult(
            outcomes=tuple(outcomes),
            tables=tuple(tables),
            folder=folder.path,
            remote=remote,
            former=tuple(name for name in folder.list_finished() if name not in current),
        )


def _analyse(
    plan: StudyPlan,
    prepare: PrepareAnalyzer,
    trusted: Collection[str],
    *,
    workers: int | None,
    engine: Engine,
) -> Iterator[RecordingOutcome]:
    """Yield the outcomes of all recordings, in order of completion."""
    yield from plan.failed
    if engine == "ray":
        plan = _with_absolute_paths(plan)
        prepare = replace(prepare, settings=plan.settings)
    remaining = [item for item in plan.recordings if item.name not in trusted]
    for item in plan.recordings:
        if item.name in trusted:
            yield RecordingOutcome(name=item.name, file=str(item.file), state="unchanged")
    if not remaining:
        return
    executor = Executor(
        jobs=min(workers or count_workers(engine), len(remaining)),
        engine=engine,
        isolated=True,
        items_per_process=_RECORDINGS_PER_PROCESS,
        preload=NEEDED_BY_WORKERS,
    )
    yield from executor.stream(prepare, remaining, lost=fail_lost)


def _with_absolute_paths(plan: StudyPlan) -> StudyPlan:
    """Make the plan's paths absolute, for workers with another working folder."""
    settings = plan.settings
    names = {"model": settings.model, "whisper": settings.whisper}
    folders = {k: str(Path(v).absolute()) for k, v in names.items() if v and Path(v).exists()}
    recordings = tuple(
        _with_absolute_inputs(item) if item.remote is None else item for item in plan.recordings
    )
    return replace(plan, recordings=recordings, settings=settings.model_copy(update=folders))


def _with_absolute_inputs(item: StudyRecording) -> StudyRecording:
    """Make a recording's paths absolute."""
    changes: dict[str, Any] = {role: path.absolute() for role, path in item.inputs.items()}
    return replace(item, **changes)


def _fingerprint_models(settings: StudySettings) -> str:
    """Return the fingerprint of the chosen models' files."""
    name = choose_model(
        settings.model, commercial_only=settings.commercial_only, live=settings.live
    )
    folders = [locate_model(name), Path(settings.whisper)]
    return fingerprint([_fingerprint_folder(folder) for folder in folders])


def _fingerprint_folder(folder: Path) -> list[list[str]]:
    """Return names and fingerprints of a folder's files; empty if it does not exist."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [[str(path.relative_to(folder)), file_fingerprint(path)] for path in files]
