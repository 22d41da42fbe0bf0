"""``mmerc prepare``: a raw corpus into a prepared one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, OverwriteOption, print_json, print_table, remark
from mmerc.labels import LABEL_SETS

if TYPE_CHECKING:
    from mmerc.corpora.base import RawCorpus

app = typer.Typer(help="Turn a raw corpus into a prepared one.", rich_markup_mode=None)
Out = Annotated[Path, typer.Option("--out", help="Folder of the prepared corpus.")]


@app.command(epilog="Example: mmerc prepare meld MELD.Raw --out corpora/meld")
def meld(
    source: Annotated[Path, typer.Argument(help="Folder of the three published CSV files.")],
    out: Out,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare MELD (text, speakers and labels, and the clips that lie beside them)."""
    from mmerc.corpora.meld import read_meld

    finish(read_meld(source), out, overwrite=overwrite, as_json=as_json)


@app.command(epilog="Example: mmerc prepare iemocap IEMOCAP_full_release --out corpora/iemocap")
def iemocap(
    source: Annotated[Path, typer.Argument(help="Folder IEMOCAP_full_release as released.")],
    out: Out,
    classes: Annotated[
        Literal["6", "4", "4-unmerged"],
        typer.Option(help="Emotions; with 4, excited counts as happy, with 4-unmerged it is out."),
    ] = "6",
    split: Annotated[
        Literal["session", "ratio"],
        typer.Option(help="Test on session 5, or a seeded 8:1:1 of all conversations."),
    ] = "session",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare IEMOCAP (text, speakers, labels, and where sound and film lie)."""
    from mmerc.corpora.iemocap import read_iemocap

    raw = read_iemocap(source, classes=classes, split=split)
    finish(raw, out, overwrite=overwrite, as_json=as_json)


@app.command(epilog="Example: mmerc prepare mosi mosi_trimodal.npz --out corpora/mosi")
def mosi(
    file: Annotated[Path, typer.Argument(help="The .npz file of CMU-MOSI's vectors.")],
    out: Out,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare CMU-MOSI (three modalities as published vectors, binary sentiment)."""
    from mmerc.corpora.mosi import read_mosi

    finish(read_mosi(file), out, overwrite=overwrite, as_json=as_json)


@app.command(epilog="Example: mmerc prepare composed data --out corpora/composed")
def composed(
    source: Annotated[
        Path, typer.Argument(help="Folder that holds meld-composed, ravdess and fer2013.")
    ],
    out: Out,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare the composed corpus (MELD's dialogues with real voices and faces attached)."""
    from mmerc.corpora.composed import read_composed

    finish(read_composed(source), out, overwrite=overwrite, as_json=as_json)


@app.command(epilog="Example: mmerc prepare manifest my.jsonl --out corpora/my --labels labels.txt")
def manifest(
    file: Annotated[Path, typer.Argument(help="JSON Lines, one conversation a line.")],
    out: Out,
    labels: Annotated[
        str | None,
        typer.Option(
            help=f"Label order: {', '.join(LABEL_SETS)}, or a file with one label a line or JSON."
            " Without it the labels that occur, sorted."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare a corpus of your own."""
    from mmerc.corpora.manifest import read_label_file, read_manifest

    chosen = None
    if labels is not None:
        chosen = LABEL_SETS[labels] if labels in LABEL_SETS else read_label_file(Path(labels))
    finish(read_manifest(file, labels=chosen), out, overwrite=overwrite, as_json=as_json)


@app.command(
    "feature-pickle",
    epilog="Example: mmerc prepare feature-pickle IEMOCAP_features.pkl --labels iemocap --out dir",
)
def feature_pickle(
    file: Annotated[Path, typer.Argument(help="IEMOCAP_features.pkl or MELD_features_raw1.pkl.")],
    labels: Annotated[Literal["meld", "iemocap"], typer.Option(help="Whose labels they are.")],
    out: Out,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare the feature tuples that the field passes around (nothing in them is run)."""
    from mmerc.corpora.feature_pickles import read_feature_pickle

    finish(read_feature_pickle(file, labels=labels), out, overwrite=overwrite, as_json=as_json)


def finish(raw: RawCorpus, out: Path, *, overwrite: bool, as_json: bool) -> None:
    """Write the corpus and print its counts beside the published ones."""
    from mmerc.data.preparation import counts_table, prepare_corpus

    prepared = prepare_corpus(raw, out, overwrite=overwrite)
    for note in raw.notes:
        remark(note)
    if as_json:
        print_json(prepared.description() | {"published": dict(raw.published)})
        return
    columns = ["split", "utterances", "published", "conversations", "published", *raw.labels]
    rows = [
        [
            row.split,
            str(row.utterances),
            str(row.published_utterances or "-"),
            str(row.conversations),
            str(row.published_conversations or "-"),
            *(str(count) for count in row.labels.values()),
        ]
        for row in counts_table(prepared, raw.published)
    ]
    print_table(columns, rows)
    for modality, table in prepared.features.items():
        present = sum(row.vector is not None for row in table.rows.values())
        seen = sum(row.saw_label for row in table.rows.values())
        saw = f", {seen} of them from a network that was trained on their label" if seen else ""
        print(f"{modality}: {present} vectors, {table.spec.dim} wide{saw}")
    print(f"prepared corpus in {out}")
