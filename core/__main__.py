"""The command line: `stagelens`, or `python -m core`."""

import io
import logging
import os
import sys
from typing import Annotated

import typer

# TensorFlow's start-up notes would stand between a person and the one line that matters.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from core.cli import archive, cohorts, evaluation, explanation, machine, prediction, training
from core.cli.aliases import renamed
from core.cli.shared import Verbs, complain
from core.cli.silenced import silence_startups
from core.errors import StageLensError, of_files
from core.files import typed_path

silence_startups()

STOPPED = 130  # the exit status of what Ctrl-C ended, also where Typer catches it

app = typer.Typer(
    name="stagelens",
    cls=Verbs,
    help="Reads brain-MRI scans, classifies and explains them, and says how far to believe it. "
    "For research and education; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for theme in (cohorts, training, evaluation, prediction, archive, explanation, machine):
    app.add_typer(theme.commands)


def _say_version(asked: bool) -> None:
    if asked:
        from core.runs.request import versions

        found = versions()
        backend = found["backend"]
        print(f"stagelens {found['stagelens']}, {backend or 'no backend'} {found.get(backend, '')}".strip())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and the backend.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that belong to no verb."""


def main() -> None:
    """Run the command line: exit status 0, 1 for failed work, 2 for bad usage, 130 if stopped; errors are one line."""
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what cannot be printed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr.isatty():  # what takes long says so
        told = logging.getLogger("stagelens")
        told.setLevel(logging.INFO)
        told.addHandler(logging.StreamHandler())
    words = sys.argv[1:]
    arguments, changed = renamed([*words[1:], "--help"] if words[:1] == ["help"] else words)
    for sentence in changed:
        print(f"stagelens: {sentence}", file=sys.stderr)
    try:
        app(list(map(_at_home, arguments)))
    except StageLensError as error:
        complain(error)
        sys.exit(1)
    except OSError as error:
        complain(of_files(error))
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != STOPPED:
            raise
        said = "stopped; train goes on with --resume, full and score when they are called again."
        print(f"stagelens: {said}", file=sys.stderr)
        sys.exit(STOPPED)


def _at_home(word: str) -> str:
    """Return a word with ~ for somebody's home, as shells write it but where it follows an equals sign."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{typed_path(value)}" if value.startswith("~") else word


if __name__ == "__main__":
    main()
