"""What the pages say and do, without a browser: the whole app with the shipped model, in this process."""

import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.cohorts.tasks import TASKS
from core.files import write_json, write_table
from core.networks.bundle import bundle_names, open_bundle
from core.networks.card import write_card
from core.results import SplitSummary
from core.runs.folder import FINISHED_FILE, METRICS_FILE
from core.runs.status import Status, read_status, write_status
from core.scans import read_scan_file

from ..conftest import CLASSES, SAMPLES, tiny_card, tiny_recipe, write_finished_run, write_heads
from ..scans import pictures, volumes
from .app import headings, labelled, opened, pictures_of, plots, ran, says, texts, uploaded

pytestmark = pytest.mark.skipif(not bundle_names(), reason="no model in models/")

ANSWER = re.compile(rf"Scan \d+: ({'|'.join(CLASSES)})$")


def test_the_heatmap_follows_the_class() -> None:
    app = uploaded(("scan.png", (SAMPLES / "icbm_template_z08.png").read_bytes()))
    assert ANSWER.match(headings(app)[0])
    drawn = 0
    for name in CLASSES:
        labelled(app.selectbox, "Heatmap for").set_value(name)
        ran(app)
        doubtful = labelled(app.toggle, "Show the map anyway") if says(app, r"Explanation unreliable\.") else None
        if doubtful is not None:
            assert not says(app, f"^Grad-CAM for {name}$")  # a doubtful map is drawn only when asked for
            doubtful.set_value(True)
            ran(app)
        assert says(app, f"^Grad-CAM for {name}$") + says(app, f"No positive evidence for {name}")
        drawn += says(app, f"^Grad-CAM for {name}$")
    assert drawn


def test_a_sample_scan_is_read_without_any_file() -> None:
    app = opened()
    labelled(app.selectbox, "Synthetic scans").set_value("ICBM average brain, 8 mm above the AC–PC line")
    ran(app)
    assert re.match(r"ICBM average brain.*: ", headings(app)[0])
    assert says(app, "Grad-CAM for|No positive evidence|Explanation unreliable")


def test_every_broken_picture_is_one_line_and_the_good_one_is_read() -> None:
    broken = pictures.broken()
    good = ("good.png", (SAMPLES / "icbm_marked_z08.png").read_bytes())
    app = uploaded(*[(f"{number}.jpg", data) for number, data in enumerate(broken.values())], good)
    assert len(app.error) == len(broken)
    for number, error in enumerate(app.error):
        assert f"{number}.jpg" in error.value
        assert "Traceback" not in error.value
    assert len([heading for heading in headings(app) if ANSWER.match(heading)]) == 1


def test_a_name_in_an_uploads_file_name_is_said_on_the_page_at_most_and_never_in_a_log(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Files that are refused for all kinds of reasons, alone, in pairs and in archives, under a person's name."""
    person = "Quasimodo_Esmeralda_1482"
    whole = volumes.dicom_bytes(volumes.series()[0])
    wrong = {
        "notes.docx": b"PK\x03\x04 no archive", "scan.png": b"\x89PNG broken", "head.nii.gz": b"\x1f\x8b broken",
        "a.dcm": whole[:400], "page.html.png": b"<html>", "head.hdr": b"\0" * 348, "stack.tif": b"II*\0 broken",
        "disc.zip": volumes.zipped({f"{person}/a.dcm": whole[:300], f"{person}/b.txt": b"text"}),
        "head.mgz": b"\x1f\x8b broken", "head.nrrd": b"NRRD0004\n", "film.mif": b"mrtrix image",
    }  # fmt: skip
    app = uploaded(*((f"{person}.{name}", data) for name, data in wrong.items()))
    assert len(app.error) >= 6
    heard = capfd.readouterr()
    for said in (heard.out, heard.err, caplog.text):
        assert "quasimodo" not in said.lower()
        assert "esmeralda" not in said.lower()


def test_foreign_pictures_get_no_stage_but_what_was_wrong_with_them_when_asked() -> None:
    doubtful = {"black.png": pictures.ALL_BLACK, "glass.png": pictures.TRANSPARENT, "ink.jpg": pictures.CMYK}
    app = uploaded(*doubtful.items())
    assert says(app, "does not look like what the network was trained on") == 3
    assert len([heading for heading in headings(app) if heading.endswith("no answer")]) == 3
    for said in ("Every pixel has the same value", "fully transparent", "CMYK"):
        assert says(app, said)
    app.toggle[1].set_value(True)
    ran(app)
    assert len([heading for heading in headings(app) if heading.endswith("no answer")]) == 3
    assert says(app, "they are no probabilities and name no stage") == 1
    assert not plots(app)
    assert not says(app, "Compatible with|In testing|calibrated|[A-Z].* for (Non|Very Mild|Mild|Moderate) Demented")
    labelled(app.selectbox, "Heatmap for").set_value(CLASSES[2])
    ran(app)
    assert len([heading for heading in headings(app) if heading.endswith("no answer")]) == 3
    assert says(app, f"{CLASSES[2]}")
    assert not says(app, "Compatible with|In testing|calibrated")


@pytest.mark.skipif("tumour_lite0_small" not in bundle_names(), reason="no model of tumours in models/")
def test_a_tumour_picture_is_offered_to_the_model_that_knows_it_and_read_by_none(alzheimer_data: Path) -> None:
    picture = sorted((alzheimer_data / "brain_tumor_mri" / "Testing" / "glioma").glob("*.jpg"))[40]
    app = uploaded(("a.jpg", picture.read_bytes()))
    assert headings(app) == ["Scan 1: no answer"]
    assert says(app, r"Another network knows such pictures\. Its question: \*\*Kind of brain tumour\*\*\.")
    labelled(app.button, "^Ask: Kind of brain tumour$").click()
    ran(app)
    assert labelled(app.selectbox, "^Model$").value == "tumour_lite0_small"
    assert headings(app)[0].removeprefix("Scan 1: ") in TASKS["tumour"].classes
    assert not says(app, "Another network knows such pictures")


def test_a_stack_asks_for_its_page() -> None:
    app = uploaded(("page.html.png", b"<html>"), ("stack.tif", pictures.PAGES_201))
    assert "an HTML page" in app.error[0].value
    labelled(app.number_input, r"Scan 2 holds 201 pages\. Which one\?").set_value(201)
    ran(app)
    assert "Scan 2: no answer" in headings(app)


def test_each_page_of_a_stack_is_read_for_itself() -> None:
    pages = [read_scan_file(SAMPLES / f"icbm_{kind}_z08.png").picture() for kind in ("template", "marked")]
    app = uploaded(("stack.tif", pictures.tiff(np.stack(pages))))
    assert not pictures_of(app)  # nothing is read before the choice
    labelled(app.number_input, r"Which one\?").set_value(1)
    ran(app)
    first, bars = pictures_of(app), plots(app)[0]["data"]
    labelled(app.number_input, r"Which one\?").set_value(2)
    ran(app)
    assert plots(app)[0]["data"] != bars
    assert pictures_of(app) - first
    alone = uploaded(("marked.tif", pictures.tiff(pages[1])))
    assert plots(alone)[0]["data"] == plots(app)[0]["data"]


@pytest.mark.slow
def test_a_model_that_was_calibrated_meanwhile_reads_the_scan_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(open_bundle().folder, tmp_path / "models" / open_bundle().name)
    monkeypatch.setenv("STAGELENS_MODELS", str(tmp_path / "models"))
    app = uploaded(("scan.png", (SAMPLES / "icbm_template_z08.png").read_bytes()))
    before, bundle = plots(app)[0]["data"], open_bundle()
    calibration = bundle.card.calibration
    assert calibration is not None
    cooler = replace(calibration, scan=replace(calibration.scan, temperature=5 * calibration.scan.temperature))
    write_card(bundle.folder, replace(bundle.card, calibration=cooler))
    ran(app)
    assert plots(app)[0]["data"] != before


def test_the_page_data_sees_what_changed_inside_a_class_folder(tmp_path: Path) -> None:
    write_heads(tmp_path / "set", {"NonDemented": 3, "MildDemented": 3}, slices=6)
    app = opened("pages/data.py")
    app.text_input[0].set_value(str(tmp_path / "set"))
    ran(app)
    assert [one.value for one in app.metric if one.label == "Images"] == ["36"]
    next((tmp_path / "set" / "NonDemented").glob("*.png")).unlink()
    ran(app)
    assert [one.value for one in app.metric if one.label == "Images"] == ["35"]


def test_a_pattern_or_a_table_says_on_the_page_who_is_who(tmp_path: Path) -> None:
    written = write_heads(tmp_path / "set", {"NonDemented": 4, "MildDemented": 4}, slices=4)
    app = opened("pages/data.py")
    app.text_input[0].set_value(str(tmp_path / "set"))
    ran(app)
    labelled(app.text_input, "names the person").set_value(r"/(?P<subject>\d)")
    ran(app)
    digits = {Path(path).name[0] for path in written["path"]}
    assert says(app, f"^{len(digits)} people, as the subject pattern finds them")
    labelled(app.text_input, "names the person").set_value("")
    who = written.assign(path=[Path(path).relative_to(tmp_path / "set").as_posix() for path in written["path"]])
    write_table(tmp_path / "ids.csv", who.rename(columns={"person": "subject"})[["path", "subject"]])
    labelled(app.text_input, "Table of ids").set_value(str(tmp_path / "ids.csv"))
    ran(app)
    assert says(app, "8 people, as the table of ids says")
    assert [one.value for one in app.metric if one.label == "People"] == ["8"]


@pytest.mark.parametrize("page", ["pages/data.py", "pages/data_leakage.py"])
def test_a_folder_that_cannot_be_is_one_line(page: str) -> None:
    app = opened(page)
    for typed in ("~nosuchuser/set", "a" * 5000, "/".join(["b" * 200] * 30), "a\0b", "/proc/1/none", __file__):
        app.text_input[0].set_value(typed)
        if app.button:
            app.button[0].click()
        ran(app)
        (error,) = app.error
        assert "\n" not in error.value
        assert len(error.value) < 500


def test_a_volume_is_registered_read_slice_by_slice_and_shown_in_three_planes() -> None:
    app = uploaded(("icbm_volume.nii.gz", (SAMPLES / "icbm_volume.nii.gz").read_bytes()))
    assert ANSWER.match(headings(app)[0])
    assert says(app, "Aligned to the standard brain: good.*32 axial slices")
    for plane in ("Sagittal", "Coronal", "Axial"):
        assert says(app, f"^{plane}$")
    assert says(app, "Grad-CAM for|No positive evidence|Explanation unreliable")
    assert says(app, r"Verdict: good\.")
    assert [tab.label for tab in app.tabs][-2:] == ["Head in three planes", "Registration check"]
    before = pictures_of(app)
    slider = labelled(app.select_slider, "Slice the model used")
    assert re.match(r"^[+-]\d+ mm$", slider.options[0])
    slider.set_value(20 if slider.value != 20 else 19)
    ran(app)
    assert pictures_of(app) - before


@pytest.mark.slow
def test_a_dicom_series_of_many_files_is_one_scan_and_noise_is_no_head() -> None:
    noise = np.random.default_rng(0).integers(0, 200, (40, 44, 36)).astype(np.int16)
    app = uploaded(*volumes.files(volumes.series(noise, np.diag([4.0, 4.0, 4.0, 1.0]))).items())
    (error,) = app.error
    assert "T1 scan of a head" in error.value
    assert says(app, r"Verdict: failed\.")
    assert not any(ANSWER.match(heading) for heading in headings(app))


def test_two_series_in_one_archive_ask_which_one_without_a_name() -> None:
    two = [*volumes.series(), *volumes.series(volumes.BLOCK[:, :, :12], SeriesInstanceUID="1.2.3.5")]
    app = uploaded(("disc.zip", volumes.zipped(volumes.files(two))))
    question = labelled(app.selectbox, "Scan 1 holds 2")
    assert question.options == [f"{n} axial images of 24 × 20, MR, slices of 1 mm" for n in (28, 12)]
    assert question.index is None  # nothing says which is meant
    assert not pictures_of(app)
    everything = "\n".join([*texts(app), str(app.main)])
    assert not any(secret in everything for secret in volumes.SECRETS)


def test_the_models_page_puts_the_ways_of_counting_side_by_side() -> None:
    app = opened("pages/model_cards.py")
    for said in ("What it cannot do", "On 40 people it was not trained on, accuracy 0.550",
                 "Unseen people, each counted once", "Unseen people, every slice counted",
                 "Age alone, without any picture, has an AUC of", "CLAIM 2024"):  # fmt: skip
        assert says(app, said), said
    assert "Images of other kinds rejected" in [one.label for one in app.metric]
    assert {one.label for one in app.expander} == {"The whole model card"}
    assert len(plots(app)) > 1


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run whose last batches were all but right, and whose test was not."""
    monkeypatch.setenv("STAGELENS_WORKSPACE", str(tmp_path))
    run = write_finished_run(tmp_path / "runs" / "first", pd.DataFrame({"path": []}), tiny_recipe())
    people = {"train": 30, "val": 10, "test": 40}
    split = SplitSummary(by="subject", seed=1, hash="0", images=people, people=people)
    write_json(run / METRICS_FILE, tiny_card(tiny_recipe(), split=split).as_dict())
    metrics = {"accuracy": 0.942, "loss": 0.1, "val_accuracy": 0.31, "val_loss": 1.9}
    write_status(run, Status("finished", title="phase 1, epoch 1", metrics=metrics, heartbeat=time.time()))
    row = {"epoch": 1, **metrics, "learning_rate": 1e-3, "seconds": 1}
    write_table(run / "phase1_log.csv", pd.DataFrame([row]))
    return run


def test_a_finished_run_begins_with_the_verdict_of_its_test_and_shows_no_figure_of_its_training(
    finished: Path,
) -> None:
    app = opened("pages/train.py")
    verdict = app.info[-1].value
    assert verdict.startswith("On 40 people it was not trained on, accuracy 0.500")
    everything = list(texts(app))
    assert not [text for text in everything if "0.942" in text]
    assert not [one for one in app.metric if "0.942" in one.value or "accuracy" in one.label]
    assert says(app, "counted by subject: 40 people")


def test_a_run_at_work_shows_validation_and_labels_what_is_of_training(finished: Path) -> None:
    status = read_status(finished)
    assert status is not None
    write_status(finished, replace(status, state="running", heartbeat=time.time()))
    (finished / FINISHED_FILE).unlink()
    app = opened("pages/train.py")
    assert {"Validation accuracy": "0.310", "Validation loss": "1.900"}.items() <= {
        one.label: one.value for one in app.metric
    }.items()
    assert says(app, "being trained on, which is no result: accuracy 0.942")


def test_the_leak_is_laid_bare_on_a_folder(slice_cohort: Any) -> None:
    app = opened("pages/data_leakage.py")
    assert [one.value for one in app.title] == ["Why 98.6 % is not 98.6 %"]
    for folder in ("/nowhere/at/all", str(slice_cohort)):
        app.text_input[0].set_value(folder)
        app.button[0].click()
        ran(app)
        if folder.startswith("/nowhere"):
            assert "/nowhere/at/all" in app.error[0].value
    assert re.match(r"^(9\d|100)\.\d % on shuffled slices, [0-5]?\d\.\d % on new people", headings(app)[0])
    (bars,) = plots(app)
    titles = bars["data"][0]["y"]
    assert {"Slices split at random", "People split"} < set(titles)
    assert len([title for title in titles if title.startswith("Random labels (control),")]) == 2
    assert says(app, "240 slices of 20 people; 10 folds")


def test_a_picture_with_the_front_up_is_read_once_it_is_flipped() -> None:
    picture = read_scan_file(SAMPLES / "icbm_template_z16.png").picture()
    app = uploaded(("front_up.png", pictures.encoded(Image.fromarray(picture[::-1].copy()), "PNG")))
    assert "Scan 1: no answer" in headings(app)
    (flip,) = [button for button in app.button if button.label == "Flip and read"]
    flip.click()
    ran(app)
    assert len([heading for heading in headings(app) if ANSWER.match(heading)]) == 1
    assert says(app, "turned over as you asked")
