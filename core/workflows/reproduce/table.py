"""The reproduction table in Markdown, made of the cards of the runs there are; what was not run says so."""

from pathlib import Path

from core.errors import TrainingError
from core.files import read_file, write_text
from core.networks.card import Card
from core.results import Estimate
from core.runs.folder import card_of_run
from core.workflows.reproduce.rows import ROWS, Row, Scheme
from core.workflows.reproduce.runs import Reproduction

BEGIN, END = "<!-- stagelens reproduce: begin -->", "<!-- stagelens reproduce: end -->"
HEAD = ("system", "published", "ours, by slice", "ours, by subject", "what differs", "row")
NOT_RUN = "not run"


def table_of(wanted: Reproduction) -> str:
    """Return the table of all rows, whichever of them were run."""
    rows = [HEAD, ("---",) * len(HEAD), *(_cells(wanted, row) for row in ROWS if not row.helps)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def rewrite_table(page: Path, wanted: Reproduction) -> None:
    """Put the table between the two marks of a page, in place of what is there.

    Raises:
        TrainingError: The page cannot be read, or does not have both marks once.
    """
    try:
        text = read_file(page).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{page} cannot be read as a page of text.") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise TrainingError(f"{page} has no place for the table: put {BEGIN} and {END} on lines of their own.")
    before, rest = text.split(BEGIN)
    write_text(page, f"{before}{BEGIN}\n{table_of(wanted)}\n{END}{rest.split(END)[1]}")


def _cells(wanted: Reproduction, row: Row) -> tuple[str, ...]:
    by_slice = _figures(wanted, row, "folder" if "folder" in row.schemes else "slice")
    by_subject = "people unknown" if "folder" in row.schemes else _figures(wanted, row, "subject")
    differs = "nothing" if wanted.as_published else row.differs
    return row.title, row.published, by_slice, by_subject, differs, f"`{row.name}`"


def _figures(wanted: Reproduction, row: Row, scheme: Scheme) -> str:
    if scheme not in row.schemes:
        return "–"
    card = card_of_run(wanted.run(row, scheme))
    if card is None or card.recipe != wanted.recipe(row):
        return NOT_RUN
    if scheme != "subject" or card.by_subject is None:
        return f"{_value(card.by_slice['accuracy'])} on {card.by_slice.n:,} slices"
    auc = f"AUC {_value(card.by_subject['auc_impaired'])}"
    return f"{_slices(card)}{card.by_subject.n} people {_value(card.by_subject['accuracy'])}, {auc}"


def _slices(card: Card) -> str:
    """Return the accuracy of slices; nothing of volumes, of which there is one a person."""
    return "" if card.recipe.depth is not None else f"slices {_value(card.by_slice['accuracy'])}, "


def _value(found: Estimate) -> str:
    if not found.has_interval:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
