"""``mmerc predict``: predict the emotions of a manifest or a transcript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmerc.cli.output import JsonOption, print_json, remark
from mmerc.cli.set_options import (
    ClassConditionalOption,
    MostLabelsOption,
    SetsOption,
    build_set_request,
)
from mmerc.models.embedded_models import DEFAULT_MODEL

if TYPE_CHECKING:
    from mmerc.conversation import Conversation, Modality, Split
    from mmerc.features.store import FeatureTable

EXAMPLES = (
    "mmerc predict talk.txt --format text",
    "mmerc predict talk.jsonl --model runs/mosi --format csv --out emotions.csv",
)


def predict(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Manifest (.jsonl), or transcript (lines of `Speaker: text`; .csv, .tsv).",
        ),
    ],
    model: Annotated[
        str, typer.Option(help="Run, model folder or Hub repository.")
    ] = DEFAULT_MODEL,
    form: Annotated[str, typer.Option("--format", help="jsonl, csv or text (to read).")] = "jsonl",
    out: Annotated[Path | None, typer.Option(help="File to write (default: the terminal).")] = None,
    media: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the media, for models that read raw audio (default: the file's)."
        ),
    ] = None,
    sets: SetsOption = None,
    class_conditional: ClassConditionalOption = False,
    most_labels: MostLabelsOption = 3,
    as_json: JsonOption = False,
) -> None:
    """Predict emotions of a transcript or manifest.

    Gives the probabilities and reasons of every utterance. A run predicts with the seed
    with the best validation score.
    """
    from mmerc.processes import without_garbage_collection

    with without_garbage_collection():
        from mmerc.corpora.error_location import inside
        from mmerc.errors import UsageError
        from mmerc.files import write_text
        from mmerc.free_memory import keep_memory
        from mmerc.inference.formats import PREDICTION_FORMATS
        from mmerc.models.registry import load_model
        from mmerc.prediction.prediction_sets import check_set_request
        from mmerc.prediction.utterance_predictions import predict as predict_conversations

    if form not in PREDICTION_FORMATS:
        known = " or ".join(PREDICTION_FORMATS)
        raise UsageError(f"--format {form!r} is unknown; choose {known}.")
    if out is not None and out.exists() and out.samefile(source):
        raise UsageError(
            f"{out} is the input, and the result would replace it; choose another --out."
        )
    request = build_set_request(sets, class_conditional=class_conditional, most_labels=most_labels)
    conversations, tables = _read_input(source)
    loaded = load_model(model)
    if request is not None:
        check_set_request(loaded, request, model)
    keep_memory()  # reading words allocates the same blocks again and again
    with inside(source):
        sounds = None
        if loaded.speech_encoder is not None:
            from mmerc.data.corpus_media import conversation_sounds

            sounds = conversation_sounds(conversations, media or source.parent)
        text = PREDICTION_FORMATS[form](
            predict_conversations(loaded, conversations, tables, sounds, sets=request)
        )
    if out is None:
        print(text, end="")
        return
    write_text(out, text)
    utterances = sum(len(conversation) for conversation in conversations)
    if as_json:
        print_json({"out": str(out), "utterances": utterances})
    else:
        print(f"{utterances} utterances in {out}")


def _read_input(
    source: Path,
) -> tuple[tuple[Conversation, ...], dict[Modality, FeatureTable]]:
    """Read the conversations of a manifest or transcript, and a manifest's vectors."""
    from mmerc.corpora.manifest import read_unlabelled_manifest
    from mmerc.corpora.transcript import read_transcript
    from mmerc.data.preparation import published_tables

    if source.suffix.lower() not in {".jsonl", ".json"}:
        transcript = read_transcript(source)
        for line in transcript.remarks:
            remark(line)
        return transcript, {}
    manifest = read_unlabelled_manifest(source)
    for line in manifest.remarks:
        remark(line)
    splits: dict[Split, tuple[Conversation, ...]] = {"test": manifest.conversations}
    return manifest.conversations, published_tables(source.stem, splits, manifest.features)
