"""``mmerc robustness``: how much models lose when their input is degraded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, QuietOption, print_json, print_table, remark, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmerc.conversation import Split
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.experiments.robustness.material import Extract, Material
    from mmerc.features.extraction import Task
    from mmerc.features.registry import NamedExtractor
    from mmerc.features.store import FeatureSpec, FeatureTable

EXAMPLES = (
    "mmerc robustness runs/composed --corpus corpora/composed --media data",
    "mmerc robustness runs/late mmerc-mini --corpus corpora/composed --modality text",
)


def robustness(
    runs: Annotated[
        list[str], typer.Argument(help="Finished runs (all seeds), model folders, or mmerc-mini.")
    ],
    corpus: Annotated[Path, typer.Option(help="Prepared corpus.")],
    media: Annotated[
        Path | None,
        typer.Option(help="Folder of the raw corpus with its media, for noise and lost frames."),
    ] = None,
    split: Annotated[Literal["valid", "test"], typer.Option(help="Split to predict.")] = "test",
    modalities: Annotated[
        list[str] | None,
        typer.Option("--modality", help="Degrade only text, audio or video (repeatable)."),
    ] = None,
    metric: Annotated[
        Literal["weighted_f1", "macro_f1", "accuracy"], typer.Option(help="Score to compare.")
    ] = "weighted_f1",
    out: Annotated[
        Path, typer.Option(help="Folder for the table, the figure and cached vectors.")
    ] = Path("robustness"),
    weights: Annotated[
        Path | None, typer.Option(help="Your own weights for the face network.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the effect of degraded input.

    Removes or zeroes each modality, adds noise, loses frames and drops words. Writes a table and a
    figure.
    """
    from mmerc.conversation import MODALITIES
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.experiments.robustness.measuring import measure
    from mmerc.experiments.robustness.report import write_robustness
    from mmerc.experiments.robustness.subjects import check_corpus, check_modalities, find_subjects
    from mmerc.training.folder import locked

    report = silent if quiet else remark
    prepared = PreparedCorpus.load(corpus)
    subjects = find_subjects(runs)
    check_modalities(subjects, modalities or ())
    for subject in subjects:
        check_corpus(subject, prepared)
    extract = extractor(out / "features", workers, report)
    given = material(prepared, corpus, media, split=split, weights=weights, extract=extract)
    with locked(out):
        wanted = modalities or MODALITIES
        measured = [
            measure(subject, given, out, modalities=wanted, metric=metric, report=report)
            for subject in subjects
        ]
        rows = [row for found in measured for row in found.rows]
        left_out = [line for found in measured for line in found.left_out]
        table = write_robustness(rows, left_out, given.corpus, out, metric=metric)
    for line in left_out:
        remark(line)
    if as_json:
        lines = [row.to_json() for row in rows]
        print_json({"rows": lines, "left_out": left_out, "out": str(out)})
        return
    print_table(table.columns, table.rows)
    print(f"table and figure in {out / 'robustness.md'}")


def extractor(stores: Path, workers: int, report: Callable[[str], None]) -> Extract:
    """Takes vectors as ``mmerc extract`` does, and keeps them in ``stores``."""
    from mmerc.data.feature_extraction import extract_modality
    from mmerc.executors.executor import Executor

    def extract(named: NamedExtractor, spec: FeatureSpec, tasks: Sequence[Task]) -> FeatureTable:
        executor = Executor(jobs=workers)
        extracted = extract_modality(
            named, tasks, stores, executor=executor, report=report, spec=spec
        )
        return extracted.table

    return extract


def material(
    prepared: PreparedCorpus,
    folder: Path,
    media: Path | None,
    *,
    split: Split,
    weights: Path | None,
    extract: Extract,
) -> Material:
    """One split of the corpus with its media; InputError where it has no such split."""
    from mmerc.data.corpus_media import add_corpus_sounds, corpus_tasks
    from mmerc.errors import InputError
    from mmerc.experiments.robustness.material import Material

    if split not in prepared.splits:
        raise InputError(folder, f"no {split} split", "choose another --split")
    part = replace(prepared, splits={split: prepared.splits[split]})
    return Material(
        corpus=add_corpus_sounds(part, media),
        folder=folder,
        tasks=None if media is None else corpus_tasks(part, media),
        extract=extract,
        weights=weights,
    )
