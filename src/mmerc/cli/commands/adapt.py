"""``mmerc adapt``: refit a model to the user's labels."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmerc.cli.output import JsonOption, OverwriteOption, print_json, remark
from mmerc.errors import UsageError

if TYPE_CHECKING:
    from mmerc.evaluation.label_head import HeadOutcome
    from mmerc.evaluation.logit_adaptation import Adaptation

EXAMPLES = (
    "mmerc adapt mmerc-mini-text --labels labelled.jsonl --out adapted",
    "mmerc adapt mmerc-mini --labels sample/sample.csv --predictions study --out adapted",
    "mmerc adapt mmerc-mini --labels corrected/a.jsonl --labels corrected/b.jsonl --out adapted",
    "mmerc adapt mmerc-mini-text --labels engagement.jsonl --own-labels --out engagement",
)


def adapt(
    model: Annotated[str, typer.Argument(help="Run, model folder, mmerc-mini or Hub repository.")],
    labels: Annotated[
        list[Path],
        typer.Option(help="Corrected analysis, labelled manifest or sample (repeatable)."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the adapted model.")],
    predictions: Annotated[
        Path | None, typer.Option(help="Study or analysis by the model that the sample is from.")
    ] = None,
    own_labels: Annotated[
        bool,
        typer.Option(
            "--own-labels", help="Replace the model's labels with those of the manifests."
        ),
    ] = False,
    sets: Annotated[
        bool,
        typer.Option("--sets", help="Write the model for its sets even if it is no better."),
    ] = False,
    lora: Annotated[
        bool,
        typer.Option("--lora", help="Also try LoRA on the text encoder: minutes, not seconds."),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Adapt a model to your own labels.

    Refits a temperature, the prior or a last layer, whichever is best by cross-validation over
    conversations, and calibrates the prediction sets. The model is written only if it is better
    than the unchanged one, or with --sets. With --lora, the adapters of the text encoder are
    also trained, and kept if they are better than the refit.
    """
    from mmerc.training.adapt import adapt_model
    from mmerc.training.own_labels import adapt_to_own_labels

    if own_labels:
        if predictions is not None or sets or lora:
            options = "--predictions, --sets and --lora"
            raise UsageError(f"--own-labels needs manifests; leave {options} out.")
        outcome = adapt_to_own_labels(model, labels, out, overwrite=overwrite)
        _print_head(outcome, out, as_json=as_json)
        return
    adaptation = adapt_model(
        model, labels, out,
        predictions=predictions, overwrite=overwrite, sets=sets, lora=lora,
    )  # fmt: skip
    for line in adaptation.remarks:
        remark(f"note: {line}")
    if as_json:
        values = asdict(adaptation)
        del values["held_out"]
        values["map"] = adaptation.map.kind
        print_json(values | {"out": str(out) if adaptation.better or sets else None})
        return
    _print_adaptation(adaptation)
    if not (adaptation.better or sets):
        print("no model was written")
        return
    print(f"{'adapted' if adaptation.better else 'unchanged'} model in {out}")
    print(
        f"its prediction sets are calibrated on these labels, up to "
        f"{adaptation.labels / (adaptation.labels + 1):.1%}; 95% needs 19 labels, 99% needs 99"
    )


def _print_head(outcome: HeadOutcome, out: Path, *, as_json: bool) -> None:
    """Print the gain of a head for the user's labels."""
    if as_json:
        values = asdict(outcome)
        del values["held_out"], values["head"]
        print_json(values | {"out": str(out) if outcome.better else None})
        return
    (before, after), (f1_before, f1_after) = outcome.accuracy, outcome.weighted_f1
    print(f"{outcome.labels} labels in {outcome.conversations} conversations")
    print(
        f"log-likelihood {outcome.gain:+.3f} nats per utterance over the best mapping of the "
        f"model's labels (95 % interval {outcome.low:+.3f} to {outcome.high:+.3f})"
    )
    print(
        f"accuracy {before:.1f} -> {after:.1f}, weighted F1 {f1_before:.1f} -> {f1_after:.1f} "
        "(on labels that neither saw)"
    )
    _print_missing(outcome.more_labels)
    print(f"model with your labels in {out}" if outcome.better else "no model was written")


def _print_missing(more_labels: int | None) -> None:
    """Print how many more labels a significant gain would need."""
    if more_labels is None:
        print("no gain so far, so no number of labels can be estimated")
    elif more_labels:
        print(f"if the gain stays, about {more_labels} more labels would prove it")


def _print_adaptation(adaptation: Adaptation) -> None:
    """Print the gain, and the number of missing labels."""
    (before, after), (f1_before, f1_after) = adaptation.accuracy, adaptation.weighted_f1
    print(f"{adaptation.labels} labels in {adaptation.conversations} conversations")
    print(f"best by cross-validation: {adaptation.map.kind}")
    print(
        f"log-likelihood {adaptation.gain:+.3f} nats per utterance (95 % interval "
        f"{adaptation.low:+.3f} to {adaptation.high:+.3f})"
    )
    print(
        f"accuracy {before:.1f} -> {after:.1f}, weighted F1 {f1_before:.1f} -> {f1_after:.1f} "
        "(on labels that the refit did not see)"
    )
    _print_missing(adaptation.more_labels)
