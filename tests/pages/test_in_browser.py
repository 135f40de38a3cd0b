"""The pages as a person meets them: a real server, a real browser, the shipped model."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from core.networks.bundle import bundle_names
from core.scans import read_scan_file

from ..conftest import CLASSES, SAMPLES
from .server import CHROMIUM, QUIET, Server, settled

PATHS = ("", "/explain", "/data", "/train", "/data_leakage", "/model_cards")
ANSWER = re.compile(rf"Scan \d+: ({'|'.join(CLASSES)})$")
LONG, SHORT = 900_000, 300_000  # milliseconds; caps, not waits: workers are polite to whatever else runs

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not bundle_names(), reason="no model in models/"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the dashboard as `make app` does, from an empty home folder."""
    server = Server(tmp_path_factory.mktemp("home"))
    server.start()
    yield server.address
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    opened.set_default_timeout(LONG)
    expect.set_options(timeout=SHORT)
    opened.goto(address)
    expect(opened.get_by_role("heading", name="Read a scan")).to_be_visible(timeout=LONG)
    yield opened
    opened.close()


def upload(page: Page, *files: Path | FilePayload) -> None:
    page.locator("input[type=file]").first.set_input_files(list(files))


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def test_an_uploaded_scan_gets_its_stage_and_its_heatmap_which_can_be_downloaded(page: Page, tmp_path: Path) -> None:
    upload(page, SAMPLES / "icbm_marked_z16.png")
    heading = page.get_by_role("heading", name=ANSWER)
    expect(heading).to_be_visible(timeout=LONG)
    answer = ANSWER.match(heading.inner_text())
    assert answer is not None
    expect(page.get_by_text("The scan (PNG, 8-bit grey)")).to_be_visible()
    for name in CLASSES:
        expect(page.locator(".js-plotly-plot").get_by_text(name, exact=True)).to_be_visible()
    bars = page.locator(".js-plotly-plot .bartext")
    expect(bars).to_have_count(len(CLASSES))
    assert sum(float(fraction.rstrip("%")) for fraction in bars.all_text_contents()) == pytest.approx(100, abs=0.3)
    expect(page.get_by_text("Not a medical device")).to_be_visible()
    get = page.get_by_role("button", name="Download picture")
    doubtful = page.get_by_text("Show the map anyway")
    expect(get.or_(doubtful)).to_be_visible()
    if doubtful.is_visible():
        doubtful.click()
    with page.expect_download() as download:
        get.click()
    download.value.save_as(tmp_path / "picture.png")
    picture = read_scan_file(tmp_path / "picture.png")
    assert picture.voxels.shape == (208, 176)
    assert download.value.suggested_filename.startswith("scan-")
    assert np.abs(picture.grey() - read_scan_file(SAMPLES / "icbm_marked_z16.png").grey()).max() > 10


def test_a_hostile_name_is_shown_harmless(page: Page) -> None:
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    upload(page, payload("<script>alert(1)</script>.png", b"<html>"))
    expect(page.get_by_test_id("stAlertContentError")).to_contain_text("an HTML page", timeout=LONG)
    assert not alarms


def test_confusion_is_counted_or_in_per_cent_and_the_card_can_be_downloaded(page: Page, address: str) -> None:
    page.goto(f"{address}/model_cards")
    labels = page.locator(".js-plotly-plot").first.locator(".heatmap-label")
    expect(labels).to_have_count(len(CLASSES) ** 2, timeout=LONG)
    counts = labels.all_text_contents()
    page.get_by_text("Confusion matrices in per cent of each row").first.click()
    expect(labels.first).to_contain_text("%", timeout=SHORT)
    assert all(text.isdigit() for text in counts)
    page.get_by_text("The whole model card").first.click()
    expect(page.get_by_text(re.compile("CLAIM 2024")).first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Model card (.html)").first.click()
    assert "TRIPOD+AI" in download.value.path().read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("width", "scheme", "paths"),
    [
        (390, "dark", ("", "/train", "/model_cards")),
        pytest.param(390, "dark", ("/data", "/data_leakage"), marks=pytest.mark.slow),
        pytest.param(390, "light", ("/explain",), marks=pytest.mark.slow),
        pytest.param(1280, "light", PATHS, marks=pytest.mark.slow),
    ],
)
def test_nothing_runs_out_of_the_page_at_any_width(
    browser: Browser, address: str, width: int, scheme: str, paths: tuple[str, ...]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    for path in paths:
        page.goto(address + path)
        expect(page.get_by_role("heading").first).to_be_visible(timeout=LONG)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
    page.close()
