"""The program ``mmerc``: its commands, errors and exit codes."""

from __future__ import annotations

import atexit
import codecs
import gc
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer

from mmerc.caching import cache_matplotlib
from mmerc.cli.commands import (
    adapt,
    agree,
    analyze,
    check,
    compare,
    correct,
    encode,
    evaluate,
    evaluate_speakers,
    export,
    extract,
    licences,
    live,
    package,
    predict,
    prepare,
    reproduce,
    robustness,
    sample,
    select_features,
    serve,
    shares,
    soft_labels,
    study,
    train,
    train_faces,
    transfer,
    tries,
    tune,
    watch,
    weights,
    worker,
)
from mmerc.cli.commands import list as list_command
from mmerc.cli.options import ANALYSE, LABEL, PUBLISH, RESEARCH, CommandGroup, examples_epilog
from mmerc.errors import MmercError, StoppedError, UsageError
from mmerc.version import __version__

_INTERRUPTED = 130  # the usual exit code after Ctrl-C

app = typer.Typer(
    name="mmerc",
    cls=CommandGroup,
    help="Recognise the emotion of every utterance in a conversation from text, audio and video.",
    epilog="`mmerc COMMAND --help` explains a command and shows examples.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(
    heading: str, command: Callable[..., None], examples: Sequence[str], *, name: str = ""
) -> None:
    """Add a command under a heading; the default ``name`` is the function's."""
    name = name or command.__name__.replace("_", "-")
    app.command(name, epilog=examples_epilog(*examples), rich_help_panel=heading)(command)


_add(ANALYSE, analyze.analyze, analyze.EXAMPLES)
app.add_typer(study.app, name="study", rich_help_panel=ANALYSE)
_add(ANALYSE, watch.watch, watch.EXAMPLES)
_add(ANALYSE, live.live, live.EXAMPLES)
_add(ANALYSE, check.check, check.EXAMPLES)
_add(ANALYSE, predict.predict, predict.EXAMPLES)
_add(ANALYSE, serve.serve, serve.EXAMPLES)
_add(ANALYSE, worker.worker, worker.EXAMPLES)

_add(LABEL, sample.sample, sample.EXAMPLES)
_add(LABEL, correct.correct, correct.EXAMPLES)
_add(LABEL, agree.agree, agree.EXAMPLES)
_add(LABEL, shares.shares, shares.EXAMPLES)
_add(LABEL, adapt.adapt, adapt.EXAMPLES)

app.add_typer(prepare.app, name="prepare", rich_help_panel=RESEARCH)
app.add_typer(weights.app, name="weights", rich_help_panel=RESEARCH)
_add(RESEARCH, list_command.list_installed, list_command.EXAMPLES, name="list")
_add(RESEARCH, encode.encode_text, encode.EXAMPLES)
_add(RESEARCH, soft_labels.soft_labels, soft_labels.EXAMPLES)
_add(RESEARCH, extract.extract, extract.EXAMPLES)
_add(RESEARCH, select_features.select_features, select_features.EXAMPLES)
_add(RESEARCH, train.train, train.EXAMPLES)
_add(RESEARCH, tune.tune, tune.EXAMPLES)
_add(RESEARCH, tries.tries, tries.EXAMPLES)
_add(RESEARCH, evaluate.evaluate, evaluate.EXAMPLES)
_add(RESEARCH, evaluate_speakers.evaluate_speakers, evaluate_speakers.EXAMPLES)
_add(RESEARCH, compare.compare, compare.EXAMPLES)
_add(RESEARCH, reproduce.reproduce, reproduce.EXAMPLES)
_add(RESEARCH, robustness.robustness, robustness.EXAMPLES)
_add(RESEARCH, transfer.transfer, transfer.EXAMPLES)
_add(RESEARCH, train_faces.train_faces, train_faces.EXAMPLES)

_add(PUBLISH, package.package, package.EXAMPLES)
_add(PUBLISH, export.export, export.EXAMPLES)
_add(PUBLISH, licences.licences, licences.EXAMPLES)


def _print_version(requested: bool) -> None:
    """Print the version and exit."""
    if requested:
        print(f"mmerc {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


@cache
def _build_program() -> Callable[..., Any]:
    """Build the commands once per process; this resolves the types of all options."""
    return typer.main.get_command(app)


def main() -> None:
    """Run a command.

    Exit codes: 0 for success, 1 for failure, 2 for an invalid call, 130 after Ctrl-C.
    """
    _print_all_text()
    cache_matplotlib()
    _leave_libraries_at_exit()
    try:
        code = _build_program()(standalone_mode=False)
        if code == _INTERRUPTED:
            raise StoppedError("interrupted.")
        if sys.stdout is not None:
            sys.stdout.flush()  # here, so that a closed pipe or a full disk is handled
        sys.exit(code)
    except StoppedError as error:
        _exit(str(error), code=_INTERRUPTED)
    except KeyboardInterrupt:
        _exit("interrupted.", code=_INTERRUPTED)
    except MmercError as error:
        _exit(str(error), code=2 if isinstance(error, UsageError) else 1)
    except typer.Abort:
        sys.exit(1)
    except BrokenPipeError:
        _discard_output()
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _discard_output()  # unprinted output would fail again at exit
        _exit(f"{place}{(error.strerror or str(error)).lower()}.", code=1)
    except Exception as error:
        if hasattr(error, "format_message"):  # usage errors of typer have no public base class
            _exit_with_usage_error(error.format_message())
        if os.environ.get("MMERC_DEBUG"):
            raise
        message = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(". :")
        _exit(
            f"internal error ({message}); please report it with the traceback that "
            "MMERC_DEBUG=1 shows.",
            code=1,
        )


def _print_all_text() -> None:
    """Allow printing of all text: as UTF-8 if the locale is ASCII, else with escapes."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if codecs.lookup(stream.encoding).name == "ascii":
            stream.reconfigure(encoding="utf-8")
        stream.reconfigure(errors="backslashreplace")


def _leave_libraries_at_exit() -> None:
    """Skip freeing library objects at exit, which takes a second."""
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def _discard_output() -> None:
    """Discard remaining output on stdout."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_with_usage_error(message: str) -> None:
    """Print the usage error; without arguments, print the help."""
    if message.startswith("Usage:"):
        print(message, file=sys.stderr)
        sys.exit(2)
    message = message.strip()
    hint = " See --help." if message.endswith("?") else "; see --help."
    _exit(f"{message.rstrip('.')}{hint}", code=2)


def _exit(message: str, *, code: int) -> None:
    """Print one line on stderr and exit."""
    print(f"mmerc: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(code)
