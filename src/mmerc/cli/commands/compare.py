"""``mmerc compare``: compare the scores of runs, with significance tests."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmerc.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from mmerc.evaluation.comparison import Versus

EXAMPLES = ("mmerc compare runs/plain runs/mini",)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs; the first is the reference.")],
    metric: Annotated[
        str, typer.Option(help="weighted_f1, macro_f1, unweighted_recall or accuracy.")
    ] = "weighted_f1",
    as_json: JsonOption = False,
) -> None:
    """Compare runs with significance tests.

    All runs need the same test split. The tests are a paired bootstrap over conversations (with
    Holm's correction), a paired t test over seeds, and McNemar's test.
    """
    from mmerc.errors import UsageError
    from mmerc.evaluation.comparison import compare_runs, values
    from mmerc.evaluation.metrics import METRICS
    from mmerc.evaluation.significance import summarise
    from mmerc.training.result import read_predictions

    chosen = next((name for name in METRICS if name == metric), None)
    if chosen is None:
        raise UsageError(f"--metric {metric!r} is unknown; choose {', '.join(METRICS)}.")
    if len(set(runs)) < 2:
        raise UsageError("Give two or more different runs; the first is the reference.")
    predictions = {str(run): read_predictions(run) for run in runs}
    versus = compare_runs(predictions, metric=chosen)
    if as_json:
        print_json({"reference": str(runs[0]), "runs": [asdict(item) for item in versus]})
        return
    summaries = {name: summarise(values(seeds, chosen)) for name, seeds in predictions.items()}
    rows = [
        [name, str(len(predictions[name])), f"{mean:.2f} +- {std:.2f}"]
        for name, (mean, std) in summaries.items()
    ]
    print_table(["run", "seeds", f"test {chosen}"], rows)
    print(f"\nagainst {runs[0]}:")
    _print_versus(versus)


def _print_versus(versus: list[Versus]) -> None:
    """Print a row per run: its difference from the reference, and each test's result."""
    columns = [
        "run",
        "difference",
        "95 % interval",
        "bootstrap p",
        "Holm",
        "seeds t p",
        "McNemar p",
    ]
    rows = [
        [
            item.name,
            f"{item.bootstrap.difference:+.2f}",
            f"{item.bootstrap.low:+.2f} to {item.bootstrap.high:+.2f}",
            f"{item.bootstrap.p_value:.4f}",
            f"{item.adjusted:.4f}",
            "-" if item.seeds.t_p_value is None else f"{item.seeds.t_p_value:.4f}",
            " ".join(f"{p:.3f}" for p in item.mcnemar_p_values),
        ]
        for item in versus
    ]
    print_table(columns, rows)
