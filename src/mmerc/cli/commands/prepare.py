"""``mmerc prepare``: prepare a raw corpus for training."""

from __future__ import annotations

from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mmerc.cli.options import CommandGroup, examples_epilog
from mmerc.cli.output import JsonOption, OverwriteOption, print_json, print_table, remark
from mmerc.labels import LABEL_SETS

if TYPE_CHECKING:
    from mmerc.data.corpus import PreparedCorpus


class _PrepareGroup(CommandGroup):
    """The corpora of mmerc and of plug-ins; plug-ins are imported only when used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """List the names of all corpora."""
        from mmerc.corpora.registry import reader_names

        return list(dict.fromkeys([*super().list_commands(ctx), *reader_names()]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command that prepares a corpus, or None."""
        from mmerc.corpora.registry import reader_names

        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in reader_names():
            return _plugin_command(cmd_name)
        return command


app = typer.Typer(
    cls=_PrepareGroup, help="Prepare a raw corpus for training.", rich_markup_mode=None
)
_Out = Annotated[Path, typer.Option("--out", help="Folder for the prepared corpus.")]


@app.command(epilog=examples_epilog("mmerc prepare meld MELD.Raw --out corpora/meld"))
def meld(
    source: Annotated[Path, typer.Argument(help="Folder with the three published CSV files.")],
    out: _Out,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the CSV files, such as cp1252 (else UTF-8).")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare MELD from its CSV files.

    Reads text, speakers and labels, and where the clips are.
    """
    options = {"encoding": encoding}
    prepare("meld", source, out, overwrite=overwrite, as_json=as_json, options=options)


@app.command(
    epilog=examples_epilog("mmerc prepare iemocap IEMOCAP_full_release --out corpora/iemocap")
)
def iemocap(
    source: Annotated[Path, typer.Argument(help="The folder IEMOCAP_full_release.")],
    out: _Out,
    classes: Annotated[
        Literal["6", "4", "4-unmerged"],
        typer.Option(help="Number of emotions; 4 merges excited with happy, 4-unmerged drops it."),
    ] = "6",
    split: Annotated[
        Literal["session", "ratio"],
        typer.Option(help="Test on session 5, or split all conversations 8:1:1 (seeded)."),
    ] = "session",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare IEMOCAP from its release.

    Reads text, speakers and labels, and where the audio and video are.
    """
    options = {"classes": classes, "split": split}
    prepare("iemocap", source, out, overwrite=overwrite, as_json=as_json, options=options)


@app.command(epilog=examples_epilog("mmerc prepare mosi mosi_trimodal.npz --out corpora/mosi"))
def mosi(
    file: Annotated[Path, typer.Argument(help="The .npz file with CMU-MOSI's vectors.")],
    out: _Out,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare CMU-MOSI from its vectors.

    Reads the published vectors of three modalities, with binary sentiment.
    """
    prepare("mosi", file, out, overwrite=overwrite, as_json=as_json)


@app.command(
    epilog=examples_epilog(
        "mmerc prepare composed data --out corpora/composed",
        "mmerc prepare composed data --visible-noise --out corpora/noisy",
    )
)
def composed(
    source: Annotated[Path, typer.Argument(help="Folder with meld-composed, ravdess and fer2013.")],
    out: _Out,
    visible_noise: Annotated[
        bool,
        typer.Option(
            "--visible-noise",
            help="Disturb every utterance's sound, faces and words, by a random amount.",
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare the composed corpus.

    Combines MELD's dialogues with RAVDESS's voices and FER2013's faces.
    """
    options = {"visible_noise": visible_noise}
    prepare("composed", source, out, overwrite=overwrite, as_json=as_json, options=options)


@app.command(epilog=examples_epilog("mmerc prepare goemotions data --out corpora/goemotions"))
def goemotions(
    source: Annotated[Path, typer.Argument(help="Folder of the three .tsv files and labels.txt.")],
    out: _Out,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare GoEmotions: written comments.

    Reads Ekman's grouping; every comment with one emotion is a conversation of its own.
    """
    prepare("goemotions", source, out, overwrite=overwrite, as_json=as_json)


@app.command(
    epilog=examples_epilog("mmerc prepare manifest my.jsonl --out corpora/my --labels labels.txt")
)
def manifest(
    file: Annotated[Path, typer.Argument(help="JSON Lines, one conversation per line.")],
    out: _Out,
    labels: Annotated[
        str | None,
        typer.Option(
            help=f"Labels in order: {', '.join(LABEL_SETS)}, or a file, JSON or one per line"
            " (default: the labels that occur, sorted)."
        ),
    ] = None,
    order: Annotated[
        Literal["given", "start"],
        typer.Option(help="Keep the utterances in the order given, or sort them by start."),
    ] = "given",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare your own corpus from JSON Lines."""
    options = {"labels": labels, "order": order}
    prepare("manifest", file, out, overwrite=overwrite, as_json=as_json, options=options)


@app.command(
    "feature-pickle",
    epilog=examples_epilog(
        "mmerc prepare feature-pickle IEMOCAP_features.pkl --labels iemocap --out corpora/iemocap"
    ),
)
def feature_pickle(
    file: Annotated[Path, typer.Argument(help="IEMOCAP_features.pkl or MELD_features_raw1.pkl.")],
    labels: Annotated[Literal["meld", "iemocap"], typer.Option(help="Label set of the file.")],
    out: _Out,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare published feature pickles.

    No code in the pickle is run.
    """
    options = {"labels": labels}
    prepare("feature-pickle", file, out, overwrite=overwrite, as_json=as_json, options=options)


def _plugin_command(name: str) -> Any:
    """Build the command of a plug-in's corpus, with the options of its reader."""
    from mmerc.corpora.registry import corpus_reader, reader_options

    reader = corpus_reader(name)
    options = reader_options(reader)

    def command(source: Path, out: Path, overwrite: bool, as_json: bool, **values: Any) -> None:
        prepare(name, source, out, overwrite=overwrite, as_json=as_json, options=values)

    command.__signature__ = _plugin_signature(reader.source, list(options.values()))  # type: ignore[attr-defined]
    command.__doc__ = reader.summary
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    example = f"mmerc prepare {name} SOURCE --out corpora/{name}"
    single.command(name, epilog=examples_epilog(example))(command)
    return typer.main.get_command(single)


def _plugin_signature(source: str, options: list[Parameter]) -> Signature:
    """Build the signature of a plug-in corpus's command."""
    fixed: list[tuple[str, Any, Any]] = [
        ("source", Annotated[Path, typer.Argument(help=source)], Parameter.empty),
        ("out", _Out, Parameter.empty),
        *((option.name, option.annotation, option.default) for option in options),
        ("overwrite", OverwriteOption, False),
        ("as_json", JsonOption, False),
    ]
    return Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, annotation, default in fixed
        ]
    )


def prepare(
    reader: str,
    source: Path,
    out: Path,
    *,
    overwrite: bool,
    as_json: bool,
    options: dict[str, Any] | None = None,
) -> None:
    """Prepare the corpus and print its counts next to the published ones."""
    from mmerc.data.preparation import counts_table, prepare_corpus

    prepared = prepare_corpus(reader, source, out, overwrite=overwrite, **(options or {}))
    for note in prepared.remarks:
        remark(note)
    if as_json:
        print_json(prepared.description())
        return
    columns = ["split", "utterances", "published", "conversations", "published", *prepared.labels]
    rows = [
        [
            row.split,
            str(row.utterances),
            str(row.published_utterances or "-"),
            str(row.conversations),
            str(row.published_conversations or "-"),
            *(str(count) for count in row.labels.values()),
        ]
        for row in counts_table(prepared)
    ]
    print_table(columns, rows)
    _print_vectors(prepared)
    print(f"prepared corpus in {out}")


def _print_vectors(prepared: PreparedCorpus) -> None:
    """Print a line per modality with vectors."""
    for modality, table in prepared.features.items():
        present = sum(row.vector is not None for row in table.rows.values())
        seen = sum(row.saw_label for row in table.rows.values())
        saw = f", {seen} of them from a network that was trained on their label" if seen else ""
        print(f"{modality}: {present} vectors, {table.spec.dim} wide{saw}")
