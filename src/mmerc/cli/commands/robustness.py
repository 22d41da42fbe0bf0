"""``mmerc robustness``: measure the effect of degraded input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, QuietOption, print_json, print_table, remark, silent

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
    from mmerc.executors.executor import Executor
    from mmerc.experiments.robustness.disturbed_corpora import open_disturbed_corpora
    from mmerc.experiments.robustness.evaluated_runs import (
        check_corpus,
        check_modalities,
        find_runs,
    )
    from mmerc.experiments.robustness.robustness_report import write_robustness
    from mmerc.experiments.robustness.robustness_scores import measure_robustness
    from mmerc.training.folder import locked

    report = silent if quiet else remark
    prepared = PreparedCorpus.load(corpus)
    evaluated = find_runs(runs)
    check_modalities(evaluated, modalities or ())
    for run in evaluated:
        check_corpus(run, prepared)
    corpora = open_disturbed_corpora(
        prepared, corpus, media, split=split, weights=weights, stores=out / "features",
        executor=Executor(jobs=workers), report=report,
    )  # fmt: skip
    with locked(out):
        measured = [
            measure_robustness(
                run, corpora, out, modalities=modalities or MODALITIES, metric=metric,
                report=report,
            )
            for run in evaluated
        ]  # fmt: skip
        scores = [score for item in measured for score in item.scores]
        left_out = [line for item in measured for line in item.left_out]
        table = write_robustness(scores, left_out, corpora.corpus, out, metric=metric)
    for line in left_out:
        remark(line)
    if as_json:
        lines = [score.to_json() for score in scores]
        print_json({"rows": lines, "left_out": left_out, "out": str(out)})
        return
    print_table(table.columns, table.rows)
    print(f"table and figure in {out / 'robustness.md'}")
