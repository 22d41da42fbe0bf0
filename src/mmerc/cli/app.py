"""The program ``mmerc``: its commands, and how it leaves."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mmerc.cli.commands import (
    analyze,
    compare,
    encode,
    evaluate,
    export,
    extract,
    licences,
    package,
    predict,
    prepare,
    reproduce,
    robustness,
    select_features,
    serve,
    train,
    train_faces,
    tries,
    tune,
)
from mmerc.cli.commands import list as list_command
from mmerc.errors import MmercError, UsageError
from mmerc.version import __version__

app = typer.Typer(
    name="mmerc",
    help="Recognise the emotion of every utterance of a conversation from text, audio and video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("analyze", epilog=analyze.EXAMPLES)(analyze.analyze)
app.add_typer(prepare.app, name="prepare")
app.command("encode-text", epilog=encode.EXAMPLES)(encode.encode_text)
app.command("extract", epilog=extract.EXAMPLES)(extract.extract)
app.command("select-features", epilog=select_features.EXAMPLES)(select_features.select_features)
app.command("train-faces", epilog=train_faces.EXAMPLES)(train_faces.train_faces)
app.command("train", epilog=train.EXAMPLES)(train.train)
app.command("tune", epilog=tune.EXAMPLES)(tune.tune)
app.command("tries", epilog=tries.EXAMPLES)(tries.tries)
app.command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command("compare", epilog=compare.EXAMPLES)(compare.compare)
app.command("predict", epilog=predict.EXAMPLES)(predict.predict)
app.command("reproduce", epilog=reproduce.EXAMPLES)(reproduce.reproduce)
app.command("robustness", epilog=robustness.EXAMPLES)(robustness.robustness)
app.command("package", epilog=package.EXAMPLES)(package.package)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("export", epilog=export.EXAMPLES)(export.export)
app.command("list", epilog=list_command.EXAMPLES)(list_command.list_installed)
app.command("licences", epilog=licences.EXAMPLES)(licences.licences)


def print_version(wanted: bool) -> None:
    """Say the version and leave."""
    if wanted:
        print(f"mmerc {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Options of the program itself."""


def main() -> None:
    """Run a command: exit code 0 when done, 1 when it failed, 2 when it was called wrongly."""
    try:
        sys.exit(app(standalone_mode=False))
    except MmercError as error:
        leave(str(error), code=2 if isinstance(error, UsageError) else 1)
    except typer.Abort:
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        leave(f"{where}{(error.strerror or str(error)).lower()}.", code=1)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's usage errors have no public base class
            called_wrongly(error.format_message())
        if os.environ.get("MMERC_DEBUG"):
            raise
        kind = type(error).__name__
        leave(
            f"a fault of mmerc itself ({kind}: {str(error).splitlines()[0] if str(error) else ''})"
            "; set MMERC_DEBUG=1 to see where, and report it please.",
            code=1,
        )


def called_wrongly(message: str) -> None:
    """Say what is wrong with the call; without any argument the help is what is said."""
    if message.startswith("Usage:"):
        print(message, file=sys.stderr)
        sys.exit(2)
    leave(f"{message.strip().rstrip('.')}; see --help.", code=2)


def leave(message: str, *, code: int) -> None:
    """Say one sentence on stderr and go."""
    print(f"mmerc: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(code)
