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
from ..scans import pictures, volumes
from .server import CHROMIUM, QUIET, Server

ANSWER = re.compile(rf"Scan \d+: ({'|'.join(CLASSES)})$")
LONG, SHORT = 120_000, 20_000

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


def test_an_uploaded_scan_gets_its_stage_and_its_heatmap(page: Page, tmp_path: Path) -> None:
    upload(page, SAMPLES / "icbm_marked_z16.png")
    heading = page.get_by_role("heading", name=ANSWER)
    expect(heading).to_be_visible(timeout=LONG)
    answer = ANSWER.match(heading.inner_text())
    assert answer is not None
    expect(page.get_by_text("The scan (PNG, 8-bit grey)")).to_be_visible()
    for name in CLASSES:
        expect(page.locator(".js-plotly-plot").get_by_text(name, exact=True)).to_be_visible()
    fractions = page.locator(".js-plotly-plot .bartext").all_text_contents()
    assert sum(float(fraction.rstrip("%")) for fraction in fractions) == pytest.approx(100, abs=0.3)
    expect(page.get_by_text("Not a medical device")).to_be_visible()


def test_the_heatmap_follows_the_class_and_can_be_downloaded(page: Page, tmp_path: Path) -> None:
    upload(page, SAMPLES / "icbm_template_z08.png")
    expect(page.get_by_role("heading", name=ANSWER)).to_be_visible(timeout=LONG)
    drawn = 0
    for name in CLASSES:
        page.get_by_label("Heatmap for").click()
        page.get_by_role("option", name=name, exact=True).click()
        shown = page.get_by_text(f"Grad-CAM for {name}", exact=True)
        empty = page.get_by_text(f"No positive evidence for {name}").first
        doubtful = page.get_by_text("Explanation unreliable.").first
        expect(shown.or_(empty).or_(doubtful).first).to_be_visible(timeout=SHORT)
        page.wait_for_timeout(1500)
        if not shown.is_visible():
            if not doubtful.is_visible():
                continue
            page.get_by_text("Show the map anyway").first.click()  # a doubtful map is drawn only when asked for
            expect(shown).to_be_visible(timeout=SHORT)
        drawn += 1
        with page.expect_download() as download:
            page.get_by_role("button", name="Download picture").click()
        download.value.save_as(tmp_path / "picture.png")
        picture = read_scan_file(tmp_path / "picture.png")
        assert picture.voxels.shape == (208, 176)
        assert download.value.suggested_filename.startswith("scan-")
        assert np.abs(picture.grey() - read_scan_file(SAMPLES / "icbm_template_z08.png").grey()).max() > 10
    assert drawn


def test_a_sample_scan_is_read_without_any_file(page: Page) -> None:
    page.get_by_role("tab", name="Samples").click()
    page.get_by_label("Synthetic scans of an average brain").click()
    page.get_by_role("option", name="ICBM average brain, 8 mm above the commissures").click()
    expect(page.get_by_role("heading", name=re.compile("ICBM average brain.*: "))).to_be_visible(timeout=LONG)
    expect(
        page.get_by_text(re.compile("Grad-CAM for|No positive evidence|Explanation unreliable")).first
    ).to_be_visible()


def test_every_broken_picture_is_one_line_and_the_good_one_is_read(page: Page) -> None:
    broken = pictures.broken()
    good = payload("good.png", (SAMPLES / "icbm_marked_z08.png").read_bytes())
    upload(page, *[payload(f"{number}.jpg", data) for number, data in enumerate(broken.values())], good)
    expect(page.get_by_role("heading", name=ANSWER)).to_be_visible(timeout=LONG)
    errors = page.get_by_test_id("stAlertContentError")
    expect(errors).to_have_count(len(broken), timeout=SHORT)
    for number, text in enumerate(errors.all_inner_texts()):
        assert f"{number}.jpg" in text
        assert "Traceback" not in text
    expect(page.get_by_role("heading", name=ANSWER)).to_have_count(1)


def test_foreign_pictures_get_no_stage_but_what_was_wrong_with_them_when_asked(page: Page) -> None:
    doubtful = {"black.png": pictures.ALL_BLACK, "glass.png": pictures.TRANSPARENT, "ink.jpg": pictures.CMYK}
    upload(page, *[payload(name, data) for name, data in doubtful.items()])
    expect(page.get_by_text("does not look like what the network was trained on")).to_have_count(3, timeout=LONG)
    expect(page.get_by_role("heading", name="no answer")).to_have_count(3)
    expect(page.get_by_role("heading", name=ANSWER)).to_have_count(0)
    for said in ("Every pixel has the same value", "fully transparent", "CMYK"):
        expect(page.get_by_text(said).first).to_be_visible()
    page.get_by_text("Show anyway (not validated for this image)").nth(1).click()
    expect(page.get_by_role("heading", name=ANSWER)).to_have_count(1, timeout=LONG)
    expect(page.get_by_role("heading", name="no answer")).to_have_count(2)


def test_a_hostile_name_is_shown_harmless_and_a_stack_asks_for_its_page(page: Page) -> None:
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    upload(page, payload("<script>alert(1)</script>.png", b"<html>"), payload("stack.tif", pictures.PAGES_201))
    expect(page.get_by_test_id("stAlertContentError")).to_contain_text("an HTML page", timeout=LONG)
    question = page.get_by_label("Scan 2 holds 201 pages. Which one?")
    expect(question).to_be_visible()
    question.fill("201")
    question.press("Enter")
    expect(page.get_by_role("heading", name="Scan 2: no answer")).to_be_visible(timeout=LONG)
    assert not alarms


def test_a_volume_is_registered_read_slice_by_slice_and_shown_in_three_planes(page: Page) -> None:
    upload(page, SAMPLES / "icbm_volume.nii.gz")
    expect(page.get_by_role("heading", name=ANSWER)).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile(r"Aligned to the standard brain: good.*32 axial slices"))).to_be_visible()
    for plane in ("Sagittal", "Coronal", "Axial"):
        expect(page.get_by_text(plane, exact=True)).to_be_visible()
    shown = page.get_by_text(re.compile("Grad-CAM for|No positive evidence|Explanation unreliable")).first
    expect(shown).to_be_visible()
    pictures_before = page.locator("img").evaluate_all("all => all.map(one => one.src)")
    slider = page.get_by_role("slider", name=re.compile("Slice the network used"))
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_text("+28 mm").or_(page.get_by_text(re.compile(r"^[+-]\d+ mm$"))).first).to_be_visible()
    page.wait_for_function(
        "before => [...document.images].some(one => !before.includes(one.src))", arg=pictures_before, timeout=SHORT
    )
    page.get_by_role("tab", name="Registration check").click()
    expect(page.get_by_text("Verdict: good.")).to_be_visible()


def test_a_dicom_series_of_many_files_is_one_scan_and_noise_is_no_head(page: Page) -> None:
    noise = np.random.default_rng(0).integers(0, 200, (40, 44, 36)).astype(np.int16)
    files = volumes.files(volumes.series(noise, np.diag([4.0, 4.0, 4.0, 1.0])))
    upload(page, *[payload(name, data) for name, data in files.items()])
    error = page.get_by_test_id("stAlertContentError")
    expect(error).to_contain_text("does not look like a T1 scan of a head", timeout=LONG)
    expect(page.get_by_text("Verdict: failed.")).to_be_visible()
    expect(page.get_by_role("heading", name=ANSWER)).to_have_count(0)


def test_two_series_in_one_archive_ask_which_one_without_a_name(page: Page) -> None:
    two = [*volumes.series(), *volumes.series(volumes.BLOCK[:, :, :12], SeriesInstanceUID="1.2.3.5")]
    upload(page, payload("disc.zip", volumes.zipped(volumes.files(two))))
    expect(page.get_by_text("several scans came together")).to_be_visible(timeout=LONG)
    question = page.get_by_role("combobox", name=re.compile("Scan 1 holds 2"))
    expect(question).to_have_value("28 axial images of 24 × 20, MR")
    question.click()
    expect(page.get_by_role("option", name="12 axial images of 24 × 20, MR")).to_be_visible()
    text = page.locator("body").inner_text()
    assert not any(secret in text for secret in volumes.SECRETS)


def test_methods_stand_side_by_side_and_a_failing_one_is_called_unreliable(page: Page, address: str) -> None:
    page.goto(f"{address}/explain")
    expect(page.get_by_text("Selvaraju et al., ICCV 2017.").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Sundararajan et al., ICML 2017.").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Zeiler and Fergus, ECCV 2014.").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Do the methods agree?")).to_be_visible(timeout=LONG)
    page.get_by_label("Methods").click()
    page.keyboard.type("Guided")
    page.get_by_role("option", name="Guided Backpropagation").click()
    page.keyboard.press("Escape")
    expect(page.get_by_text(re.compile("draws nearly the same map when the weights are random")).first).to_be_visible(
        timeout=LONG
    )
    expect(page.get_by_text("Show the map anyway").first).to_be_visible()


def test_the_path_the_noise_and_the_sanity_check_can_be_tried(page: Page, address: str) -> None:
    page.goto(f"{address}/explain")
    expect(page.get_by_text("Do the methods agree?")).to_be_visible(timeout=LONG)
    page.get_by_role("tab", name="The path").click()
    expect(page.get_by_text(re.compile(r"gradients were taken along it; .* with an error of"))).to_be_visible(
        timeout=LONG
    )
    page.get_by_role("tab", name="Noise").click()
    expect(page.get_by_text(re.compile("Grad-CAM: (More alike|The map holds|Not stable)"))).to_be_visible(timeout=LONG)
    page.get_by_role("tab", name="Sanity check").click()
    page.get_by_role("button", name="Randomise the network").click()
    panel = page.get_by_role("tabpanel", name="Sanity check")
    expect(panel.get_by_text("structural similarity").first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Delete and insert").click()
    expect(panel.get_by_text("Deletion").first).to_be_visible(timeout=LONG)


def test_the_models_page_puts_the_ways_of_counting_side_by_side(page: Page, address: str) -> None:
    page.goto(f"{address}/models")
    expect(page.get_by_text("What it cannot do").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Unseen people, each counted once").first).to_be_visible()
    expect(page.get_by_text("Unseen people, every slice counted").first).to_be_visible()
    plots = page.locator(".js-plotly-plot")
    expect(plots.nth(1)).to_be_visible()
    counts = plots.first.locator(".heatmap-label").all_text_contents()
    page.get_by_text("Confusion matrices in per cent of each row").first.click()
    expect(plots.first.locator(".heatmap-label").first).to_contain_text("%", timeout=SHORT)
    assert all(text.isdigit() for text in counts)
    expect(page.get_by_text("Age alone, without any picture, has an area of").first).to_be_visible()
    expect(page.get_by_text("Foreign pictures refused")).to_be_visible()
    page.get_by_text("The whole model card").click()
    expect(page.get_by_text(re.compile("CLAIM 2024"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Model card (.html)").click()
    assert "TRIPOD+AI" in download.value.path().read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_nothing_runs_out_of_the_page_at_any_width(browser: Browser, address: str, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    for path in ("", "/explain", "/data", "/train", "/models"):
        page.goto(address + path)
        expect(page.get_by_role("heading").first).to_be_visible(timeout=LONG)
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()


def test_the_leak_is_laid_bare_on_a_folder(page: Page, address: str, slice_cohort: Path) -> None:
    page.goto(f"{address}/leak")
    expect(page.get_by_role("heading", name="Why 98.6 % is not 98.6 %")).to_be_visible(timeout=LONG)
    field = page.get_by_role("textbox")
    field.fill("/nowhere/at/all")
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("/nowhere/at/all").last).to_be_visible(timeout=LONG)
    field.fill(str(slice_cohort))
    page.get_by_role("button", name="Measure").click()
    headline = re.compile(r"^(9\d|100)\.\d% is [0-5]?\d\.\d% on people never seen")
    expect(page.get_by_role("heading", name=headline)).to_be_visible(timeout=LONG)
    for title in ("Slices split at random", "People split"):
        expect(page.locator(".js-plotly-plot").get_by_text(title, exact=True)).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("Classes drawn by lot,")).to_have_count(2)
    expect(page.get_by_text("240 slices of 20 people; 10 folds")).to_be_visible()
