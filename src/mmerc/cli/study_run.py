"""Run a study from the command line: settings, progress and summary."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from mmerc.cli.output import print_json, printable, remark
from mmerc.errors import InputError, UsageError

if TYPE_CHECKING:
    from mmerc.studies.run_study import StudyResult
    from mmerc.studies.study_plan import StudyPlan
    from mmerc.studies.study_recordings import RecordingOutcome

_INTERVAL = 2.0  # seconds between two lines of progress
_FAILURES_PRINTED = 20
NO_FOLDER = "A study needs a folder for its results; name it with --out."
_STUDY_FILES = {".yaml", ".yml"}


def is_study_input(places: Sequence[str | Path], out: str | None) -> bool:
    """Whether the arguments of ``mmerc analyze`` are a study rather than one recording."""
    from mmerc.studies.remote_files import is_url

    first = Path(places[0])
    remote = any(map(is_url, (*places, out or "")))
    return remote or len(places) > 1 or first.is_dir() or first.suffix.lower() in _STUDY_FILES


def require_out(places: Sequence[str | Path], out: str | None) -> str | Path:
    """Return the folder or URL of the study's results; an error if missing."""
    from mmerc.studies.remote_files import is_url

    if out is not None:
        return out if is_url(out) else Path(out)
    if len(places) == 1 and Path(places[0]).is_dir():
        fix = "name a folder for the results with --out to analyse everything in it"
        raise InputError(places[0], "a folder", fix)
    raise UsageError(NO_FOLDER)


def chosen_settings(context: typer.Context, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings given on the command line, without defaults."""
    return {
        key: value
        for key, value in settings.items()
        if (source := context.get_parameter_source(key)) is not None and source.name != "DEFAULT"
    }


@dataclass(kw_only=True)
class StudyRun:
    """Runs a study and prints its progress and summary.

    ``settings`` from the command line override those of a ``study.yaml``.
    """

    out: str | Path
    settings: Mapping[str, Any]
    workers: int | None = None
    engine: Literal["local", "ray"] = "local"
    again: bool = False
    quiet: bool = False
    as_json: bool = False
    printed: set[str] = field(default_factory=set)

    def plan(self, places: Sequence[str | Path], *, add_unlisted: bool = False) -> StudyPlan:
        """Plan the study of the given files, or of one folder, study file or URL."""
        from mmerc.studies.remote_files import describe_place, is_url
        from mmerc.studies.study_plan import (
            override_settings,
            plan_files,
            plan_folder,
            plan_study_file,
        )

        paths = [Path(place) for place in places]
        single = paths[0] if len(paths) == 1 else None
        skip = None if isinstance(self.out, str) else self.out
        if any(map(is_url, places)):
            from mmerc.studies.remote_plan import plan_url

            if single is None:
                raise UsageError("Name a single URL: a folder, a study.yaml or a recording.")
            plan = plan_url(str(places[0]), skip=str(self.out))
        elif single is not None and single.is_dir():
            plan = plan_folder(single, skip=skip, add_unlisted=add_unlisted)
        elif single is not None and single.suffix.lower() not in _STUDY_FILES:
            plan = plan_files([single])
        elif single is not None:
            plan = plan_study_file(single, skip=skip)
        elif any(path.is_dir() or path.suffix.lower() in _STUDY_FILES for path in paths):
            raise UsageError("Name several recordings, or one folder, or one study.yaml.")
        else:
            plan = plan_files(paths)
        if not plan.recordings and not plan.failed and not add_unlisted:
            where = describe_place(places[0])
            raise InputError(where, "contains no recording", "check the path")
        return override_settings(plan, self.settings)

    def analyse(self, plan: StudyPlan, trusted: Collection[str] = ()) -> StudyResult:
        """Analyse new and changed recordings, except ``trusted``, with progress on stderr."""
        from mmerc.studies.remote_files import describe_place
        from mmerc.studies.run_study import run_study

        self._note(plan.remarks)
        progress = _StudyProgress(total=len(plan.recordings) + len(plan.failed), quiet=self.quiet)
        result = run_study(
            plan,
            self.out,
            workers=self.workers,
            engine=self.engine,
            again=self.again,
            trusted=trusted,
            report=progress,
        )
        self._note(_describe_former(result.former, describe_place(self.out)))
        return result

    def _note(self, lines: Sequence[str]) -> None:
        """Print remarks, without repetition."""
        for line in lines:
            if line not in self.printed:
                self.printed.add(line)
                remark(f"note: {line}")

    def finish(self, result: StudyResult) -> None:
        """Write the report and print the summary; exit code 1 if a recording failed."""
        report = self._write_report(result)
        if self.as_json:
            print_json(_summarise(result))
        else:
            _print_summary(result)
            if report is not None:
                print(report)
        if result.failed:
            raise typer.Exit(1)

    def _write_report(self, result: StudyResult) -> str | None:
        """Write the report and return its path; print a note if there is nothing to report."""
        from mmerc.studies.measures_table import MEASURES_FILE
        from mmerc.studies.report.render import write_report

        if len(result.failed) == len(result.outcomes):
            return None
        try:
            report = write_report(result.folder)
        except InputError as error:
            remark(f"note: no report was written: {error}")
            return None
        if result.remote is None:
            return printable(report)
        return result.remote.put_files([result.folder / MEASURES_FILE, report])[-1]


def _describe_former(names: Sequence[str], out: str | Path) -> list[str]:
    """Remark on analysed recordings that are no longer in the study."""
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [
        f"no longer in the study or its tables: {', '.join(names[:3])}{more}; the earlier "
        f"results stay in {out}/recordings."
    ]


@dataclass(kw_only=True)
class _StudyProgress:
    """Prints the number of finished recordings and the estimated remaining time."""

    total: int
    quiet: bool
    done: int = 0
    analysed: int = 0
    started: float = field(default_factory=time.monotonic)
    reported: float = 0.0

    def __call__(self, outcome: RecordingOutcome) -> None:
        self.done += 1
        self.analysed += outcome.state == "analysed"
        now = time.monotonic()
        if self.quiet or (self.done < self.total and now - self.reported < _INTERVAL):
            return
        self.reported = now
        remaining = ""
        if self.analysed and self.done < self.total:
            seconds = (now - self.started) * (self.total - self.done) / self.analysed
            remaining = f", about {_duration(seconds)} to go"
        remark(f"recordings: {self.done} of {self.total}{remaining}")


def _duration(seconds: float) -> str:
    """Format a duration in a suitable unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _summarise(result: StudyResult) -> dict[str, Any]:
    """Return the summary as JSON."""
    return {
        "recordings": len(result.outcomes),
        **{state: result.count(state) for state in ("analysed", "unchanged")},
        "failed": [
            {"recording": item.name, "file": item.file, "reason": item.reason}
            for item in result.failed
        ],
        "files": _list_tables(result),
    }


def _list_tables(result: StudyResult) -> list[str]:
    """List the paths of the tables."""
    if result.remote is not None:
        return [f"{result.remote.place}/{path.name}" for path in result.tables]
    return [printable(path) for path in result.tables]


def _print_summary(result: StudyResult) -> None:
    """Print the summary: counts, failures with reasons, tables."""
    counts = f"{result.count('analysed')} analysed, {result.count('unchanged')} unchanged"
    print(f"{len(result.outcomes)} recordings: {counts}, {len(result.failed)} failed")
    for item in result.failed[:_FAILURES_PRINTED]:
        print(f"failed: {item.name}: {item.reason}")
    if len(result.failed) > _FAILURES_PRINTED:
        print(f"and {len(result.failed) - _FAILURES_PRINTED} more in failed.csv")
    for place in _list_tables(result):
        print(place)
