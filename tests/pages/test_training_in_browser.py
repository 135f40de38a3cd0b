"""From a folder to a model that reads a scan, in the browser, with the server killed on the way."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from core.networks.bundle import bundle_names, models_folder, open_bundle
from core.networks.recipe_files import read_recipe, recipe_values, with_settings
from core.runs.folder import read_logs, write_recipe
from core.runs.jobs import ask_to_stop
from core.runs.status import read_status

from ..conftest import SAMPLES
from .server import CHROMIUM, QUIET, Server, settled

LONG, SHORT = 900_000, 300_000  # milliseconds; caps, not waits: workers are polite to whatever else runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not bundle_names(), reason="no model in models/"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    models, home = tmp_path / "models", tmp_path / "home"
    home.mkdir()
    shutil.copytree(models_folder(), models)
    started = Server(home, STAGELENS_MODELS=str(models), STAGELENS_WORKSPACE=str(tmp_path / "workspace"))
    started.start()
    yield started
    for run in (tmp_path / "workspace" / "runs").glob("*"):
        ask_to_stop(run)  # what failed midway trains no longer than this
    started.stop()


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        opened = chromium.new_page(viewport={"width": 1280, "height": 1400})
        opened.set_default_timeout(SHORT)
        expect.set_options(timeout=SHORT)
        yield opened
        chromium.close()


def choose(page: Page, label: str, option: str | re.Pattern[str]) -> None:
    """Choose an option of a list; of a long one, what is not typed may lie below what is drawn."""
    box = page.locator(f'input[aria-label*="{label}"]').first
    box.click()
    if isinstance(option, str):
        box.fill(option)
    page.get_by_role("option", name=option).first.click()
    settled(page)


def fill(page: Page, label: str, value: str) -> None:
    """Fill in a box, again where the page replaced it while it was typed into."""
    box = page.locator(f'input[aria-label="{label}"]').first
    for _ in range(3):
        box.fill(value)
        box.press("Enter")
        settled(page)
        if box.input_value() == value:
            return


def audit_and_split(page: Page, server: Server, folder: Path) -> None:
    page.goto(f"{server.address}/data")
    # the frame, though nobody saw the front
    expect(page.get_by_text("Not a medical device")).to_be_visible(timeout=LONG)
    fill(page, "Folder of class folders, or of train and test folders of them", str(folder))
    expect(page.get_by_text("What the audit found")).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stMetricValue").filter(has_text="240")).to_be_visible()
    expect(page.get_by_test_id("stMetricValue").filter(has_text="20").first).to_be_visible()
    page.get_by_text("By slice, at random").click()
    expect(page.get_by_text("Metrics from this split measure recognition of people")).to_be_visible()
    page.get_by_text("Each person in one part only").click()
    expect(page.get_by_text("Metrics from this split measure recognition of people")).to_have_count(0)
    fill(page, "Name of the split", "synthetic")
    page.get_by_role("button", name="Save split").click()
    expect(page.get_by_text("Saved: synthetic.csv")).to_be_visible()


def draw_the_map(page: Page) -> None:
    page.get_by_role("button", name="Draw the map").click()
    expect(page.get_by_text("After SMOTE").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Moderate Demented, synthetic").first).to_be_visible()


def start_a_run(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/train")
    expect(page.get_by_text("A new run")).to_be_visible(timeout=LONG)
    settled(page)
    choose(page, "Recipe", "s4_resnet18")
    expect(page.get_by_text("S4: ResNet18 from ImageNet")).to_be_visible()
    page.get_by_text("Settings", exact=True).click()
    fill(page, "Learning rate", "fast")
    expect(page.get_by_test_id("stAlertContentError")).to_contain_text("learning_rate")
    fill(page, "Learning rate", "1e-3")
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    choose(page, "Start", "scratch")
    for label, value in (("Height", "32"), ("Width", "32"), ("Epochs, at most", "1000"), ("Patience", "1000")):
        fill(page, label, value)
    expect(page.get_by_text("ResNet18, 32 × 32, from scratch")).to_be_visible()
    fill(page, "Name of the run", "by_hand")
    page.get_by_role("button", name="Start", exact=True).click()


def shorten(run: Path, epochs: int) -> None:
    """Let a stopped run end after so many epochs; the page asked for more than any machine trains meanwhile."""
    recipe = run / "job" / "recipe.toml"
    wanted = with_settings(read_recipe(recipe), [f"phases.1.epochs={epochs}", f"phases.1.patience={epochs}"])
    write_recipe(recipe, wanted)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "recipe": recipe_values(wanted)}))


def test_a_cohort_becomes_a_model_though_the_server_dies_midway(
    page: Page, server: Server, slice_cohort: Path, tmp_path: Path
) -> None:
    audit_and_split(page, server, slice_cohort)
    draw_the_map(page)
    start_a_run(page, server)
    run = tmp_path / "workspace" / "runs" / "by_hand"
    expect(page.get_by_text(re.compile(r"Running phase 1, epoch \d+"))).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Time left, at most")).to_be_visible()
    server.kill()
    before = len(read_logs(run))
    status = read_status(run)
    assert status is not None
    assert status.state == "running"
    server.start()
    page.goto(f"{server.address}/train")
    expect(page.get_by_text(re.compile(r"Running phase 1, epoch"))).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text(re.compile("Stopped phase 1"))).to_be_visible(timeout=LONG)
    done = len(read_logs(run))
    assert before <= done < 1000
    shorten(run, done + 1)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(re.compile(r"Finished phase 1"))).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Metrics on the test part")).to_be_visible()
    fill(page, "Name of the model", "by_hand_model")
    page.get_by_role("button", name="Promote to a model").click()
    expect(page.get_by_text("by_hand_model is a model now")).to_be_visible()
    assert open_bundle(tmp_path / "models" / "by_hand_model").card.name == "by_hand_model"
    page.goto(server.address)
    choose(page, "Model", re.compile("ResNet18, 32 × 32, from scratch"))
    page.locator("input[type=file]").first.set_input_files(SAMPLES / "icbm_marked_z16.png")
    answer = page.get_by_role("heading", name=re.compile(r"Scan 1: .* Demented"))
    rejected = page.get_by_role("heading", name="Scan 1: no answer")  # likely: it is none of the synthetic heads
    expect(answer.or_(rejected)).to_be_visible(timeout=LONG)
    if rejected.is_visible():
        page.get_by_text("Show anyway (not validated for this image)").click()
        expect(page.get_by_text("they are no probabilities and name no stage")).to_be_visible(timeout=LONG)
