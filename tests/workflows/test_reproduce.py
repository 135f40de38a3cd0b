"""The rows of the reproduction table: what each trains, that it is trained once, and what the table says of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import TrainingError
from core.networks.recipe import Phase, Recipe
from core.networks.recipe_files import recipe_names
from core.runs.folder import BUNDLE_FOLDER, write_recipe
from core.training.listeners import Silent
from core.workflows.reproduce import runs
from core.workflows.reproduce.rows import ROWS, Row
from core.workflows.reproduce.runs import Reproduction, reproduce, row_called
from core.workflows.reproduce.table import BEGIN, END, NOT_RUN, rewrite_table, table_of
from core.workflows.train import Request, run_training

from ..conftest import ROOT, tiny_recipe

PAGE = ROOT / "docs" / "background" / "reproduction.md"


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def say(self, sentence: str) -> None:
        self.words.append(sentence)


@pytest.fixture
def tiny_row(tmp_path: Path) -> Row:
    write_recipe(tmp_path / "tiny.toml", tiny_recipe(phases=(Phase("all", 1e-3, 1, 1),)))
    return Row("tiny", "A tiny network", "99 %", str(tmp_path / "tiny.toml"), changes=("batch_size=6",))


@pytest.fixture
def wanted(tmp_path: Path, cohort: Path) -> Reproduction:
    made = Reproduction(tmp_path / "runs", slices=cohort)
    (made.out / "splits").mkdir(parents=True)
    for scheme in ("slice", "subject"):
        (made.out / "splits" / f"slices_by_{scheme}.csv").write_bytes((cohort / "alzheimer_slices.csv").read_bytes())
    return made


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_changes_settings_that_its_recipe_has_and_says_so(row: Row, tmp_path: Path) -> None:
    changed = Reproduction(tmp_path).recipe(row)
    published = Reproduction(tmp_path, as_published=True).recipe(row)
    assert row.recipe in recipe_names()
    assert changed.backbone == published.backbone
    assert changed.head == published.head
    assert changed.imbalance == published.imbalance
    assert changed != published
    assert row.helps or row.differs
    assert min(changed.height, changed.width) >= 88
    assert (changed.start == "file") == bool(row.starts_from)


def test_rows_have_names_of_their_own_and_start_from_networks_of_their_backbone(tmp_path: Path) -> None:
    wanted = Reproduction(tmp_path)
    assert len({row.name for row in ROWS}) == len(ROWS)
    starting = [row for row in ROWS if row.starts_from]
    assert {row.name for row in starting} == {"s2_resnet50", "s5_densenet121_alzheimer"}
    for row in starting:
        assert wanted.recipe(row_called(row.starts_from)).backbone == wanted.recipe(row).backbone
    with pytest.raises(
        TrainingError, match=r"there is no row 's9'; there are s1_resnet50, .*s5_densenet121_alzheimer\."
    ):
        row_called("s9")


def test_a_row_is_trained_on_each_of_its_splits_and_not_a_second_time(wanted: Reproduction, tiny_row: Row) -> None:
    first = dict(reproduce(wanted, tiny_row))
    assert list(first) == ["slice", "subject"]
    assert all(card.recipe.batch_size == 6 for card in first.values())
    heard = Heard()
    again = dict(reproduce(wanted, tiny_row, by="subject", listener=heard))
    assert {scheme: card.as_dict() for scheme, card in again.items()} == {"subject": first["subject"].as_dict()}
    assert heard.words == ["A tiny network, by subject"]
    with pytest.raises(TrainingError, match="another recipe"):
        next(reproduce(replace(wanted, as_published=True), tiny_row))
    with pytest.raises(TrainingError, match=r"tiny is split by slice or subject\. Received: folder"):
        next(reproduce(wanted, tiny_row, by="folder"))


def test_a_row_starts_from_the_network_of_another_which_is_trained_first(
    wanted: Reproduction, tiny_row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = replace(tiny_row, name="helper", schemes=("slice",), helps=True)
    later = replace(tiny_row, name="later", changes=('start="file"',), starts_from="helper")
    monkeypatch.setattr(runs, "ROWS", (helper, later))
    ((_, card),) = reproduce(wanted, later, by="subject")
    weights = wanted.run(helper, "slice") / BUNDLE_FOLDER / "weights.safetensors"
    assert weights.exists()
    assert card.start.startswith("weights.safetensors (SHA-256 ")


def test_a_row_whose_set_was_not_given_says_which(wanted: Reproduction, tiny_row: Row) -> None:
    with pytest.raises(TrainingError, match=r"needs the folder of the tumour set \(--tumour\)"):
        next(reproduce(wanted, replace(tiny_row, data="tumour", schemes=("folder",))))
    nowhere = replace(wanted, slices=None)
    with pytest.raises(TrainingError, match=r"needs the folder of the Alzheimer set \(--slices\)"):
        next(reproduce(nowhere, replace(tiny_row, data="volumes")))


def test_the_table_holds_what_the_cards_say_and_of_the_others_that_they_were_not_run(
    wanted: Reproduction, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = row_called("s1_resnet50")
    recipe = tiny_recipe(phases=(Phase("all", 1e-3, 1, 1),))
    monkeypatch.setattr(Reproduction, "recipe", lambda _, row: recipe if row.name == "s1_resnet50" else Recipe)
    card = run_training(Request(recipe, cohort / "alzheimer_slices.csv", wanted.run(row, "slice"))).card
    assert card is not None
    lines = {line.split(" | ")[-1].strip(" |`"): line for line in table_of(wanted).splitlines()[2:]}
    assert lines.keys() == {one.name for one in ROWS if not one.helps}
    accuracy = card.by_slice["accuracy"]
    interval = f"({accuracy.low:.3f} to {accuracy.high:.3f})"
    assert f"| {accuracy.value:.3f} {interval} on {card.by_slice.n:,} slices |" in lines[row.name]
    assert lines[row.name].count(NOT_RUN) == 1
    assert lines["s3_densenet201"].count(NOT_RUN) == 2
    monkeypatch.setattr(Reproduction, "recipe", lambda *_: replace(recipe, batch_size=99))
    assert lines[row.name] not in table_of(wanted)  # a run of another recipe is none of this row
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    rewrite_table(page, wanted)
    rewrite_table(page, wanted)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{table_of(wanted)}\n{END}\nafter\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(TrainingError, match="has no place for the table"):
        rewrite_table(page, wanted)


def test_the_page_has_every_row_as_it_is_defined() -> None:
    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    shown = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.strip().splitlines()[2:]]
    expected = [(row.title, row.published, row.differs, f"`{row.name}`") for row in ROWS if not row.helps]
    assert [(cells[0], cells[1], *cells[4:]) for cells in shown] == expected
