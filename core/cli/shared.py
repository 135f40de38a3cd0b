"""What all verbs use: options, printing, and one-line errors."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from core.errors import ChoiceNeeded, StageLensError, shortened

if TYPE_CHECKING:
    from core.evaluation.confounders import SubjectFacts

READ, EXPLAIN, DATA, TRAIN = "Read scans", "Explain", "Data", "Train"
EVALUATE, MODELS, MACHINE = "Evaluate", "Models", "This machine"
GROUPS = (READ, EXPLAIN, DATA, TRAIN, EVALUATE, MODELS, MACHINE)  # of verbs, in the order of --help

MOST_CHOICES = 40  # are listed

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Model = Annotated[str | None, typer.Option(help="Name or folder of a model; the default one if left out.")]
Page = Annotated[int | None, typer.Option(min=1, help="Page, volume or series where there are several, from 1.")]
Flip = Annotated[
    bool,
    typer.Option("--flip", help="Turn pictures over that have the front of the head at the top."),
]
Age = Annotated[float | None, typer.Option(help="Of the person, in years, for models that ask for it.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Show raw outputs, or explain a class, of a scan that is out of distribution; not validated."
    ),
]
SubjectTable = Annotated[Path | None, typer.Option(help="Table of path or subject with age, sex or site.")]
AgedFrom = Annotated[float, typer.Option(help="Least age of the part whose people are of an age.")]
UnknownAge = Annotated[float | None, typer.Option(help="Taken for people without an age; else left out.")]
Coverage = Annotated[float, typer.Option(min=0.5, max=0.99, help="Of the prediction sets.")]
Ordered = Annotated[
    bool, typer.Option("--ordered", help="Classes of your own are stages, in the order of their names or task.toml.")
]
By = Annotated[
    str,
    typer.Option(
        help="subject, near-copies, slice, folder (as they came), or auto: as they came in parts, else by subject, "
        "else by groups of near copies."
    ),
]
IdTable = Annotated[Path | None, typer.Option("--subjects", help="Table of ids: path and subject of every file.")]
SubjectPattern = Annotated[
    str, typer.Option(help="Regular expression with a group (?P<subject>…) that finds the person in a file's path.")
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same parts.")]


class Verbs(TyperGroup):
    """The verbs in groups, each with its help whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the groups of verbs; Typer brings a click of its own, so its types are not named here."""
        verbs = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        for group in GROUPS:
            own = [
                (name, verb.help or "")
                for name, verb in verbs.items()
                if isinstance(verb, TyperCommand) and verb.rich_help_panel == group
            ]
            with formatter.section(group):
                formatter.write_dl(own)


def writable(path: Path) -> None:
    """Find out before the work, not after it, that the answer cannot be written."""
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise StageLensError(f"{path} cannot be written: give a file in a folder that exists.")


def show(values: Any, as_json: bool, words: str) -> None:
    """Print an answer, for machines or for people."""
    if as_json:
        print(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False))
    elif words:
        print(words)


def people_of(path: Path | None, aged_from: float, unknown_age: float | None) -> "SubjectFacts | None":
    """Read a table of people, and say on standard error which of its columns are not used."""
    from core.evaluation.confounders import known_subjects

    known = known_subjects(path, aged_from=aged_from, unknown_age=unknown_age)
    unused = known.table.attrs.get("unused", ()) if known is not None else ()
    if unused:
        print(f"stagelens: columns of {path} that are not used: {', '.join(unused)}", file=sys.stderr)
    return known


def check_scheme(by: str) -> None:
    """Refuse a way of splitting that there is not."""
    from core.cohorts.plan import SCHEMES

    if by not in SCHEMES:
        raise typer.BadParameter(f"expected {', '.join(SCHEMES)}. Received: {by}", param_hint="--by")


def complain(error: StageLensError) -> None:
    """Print an error as one line."""
    line = " ".join(map(shortened, str(error).split()))
    if isinstance(error, ChoiceNeeded):
        line += " Choose it with --page."
    print(f"stagelens: {line}", file=sys.stderr)
    if isinstance(error, ChoiceNeeded) and not error.choices[0].endswith(" 1"):  # "page 1" tells nothing more
        for number, choice in enumerate(error.choices[:MOST_CHOICES], start=1):
            print(f"  {number}  {shortened(choice)}{' (proposed)' if number == error.likely else ''}", file=sys.stderr)
