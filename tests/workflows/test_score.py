"""Archives: scored on any number of processes, stopped and gone on with, always the same tables."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
import pandas as pd
import pytest

from core.backend_choice import is_installed
from core.errors import StageLensError
from core.networks.bundle import bundle_names, open_bundle
from core.scans import read_scan_file
from core.workflows.predict import predict_scans, predictor_of
from core.workflows.score import archive as scoring
from core.workflows.score.archive import score_archive

from ..conftest import ROOT, SAMPLES
from ..scans import volumes

pytestmark = pytest.mark.skipif(not bundle_names(), reason="no model in models/")
TABLES = ("scans", "slices", "unread")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in folders, one of them broken, a volume, and what is no scan."""
    made = tmp_path_factory.mktemp("archive")
    for number, path in enumerate(sorted(SAMPLES.glob("*.png")) * 2):
        place = made / f"ward{number % 3}"
        place.mkdir(exist_ok=True)
        picture = read_scan_file(path).picture()
        cv2.imwrite(str(place / f"{number:02d}.png"), np.uint8(np.clip(picture * (1 + number / 200), 0, 255)))
    (made / "ward0" / "broken.png").write_bytes(b"<html></html>")
    (made / "ward0" / "notes.txt").write_text("no scan")
    return made


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "PICTURES", 5)


def tables(out: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(out / name).sort_values("path", kind="stable", ignore_index=True) for name in TABLES}


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for name in TABLES for path in (out / name).iterdir()}


def test_an_archive_gets_what_each_scan_gets_alone_and_any_number_of_workers_writes_the_same(
    archive: Path, tmp_path: Path
) -> None:
    bundle = open_bundle()
    found = score_archive(archive, tmp_path / "one", bundle, workers=1)
    assert (found.scans, found.slices, found.unread, found.resumed) == (24, 24, 1, 0)
    score_archive(archive, tmp_path / "two", bundle, workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    made = tables(tmp_path / "one")
    scans = [read_scan_file(archive / path) for path in made["scans"]["path"]]
    alone = [reading.prediction for reading in predict_scans(scans, predictor_of(bundle.folder))]
    np.testing.assert_allclose(np.stack(made["scans"]["logits"]), [one.logits for one in alone], atol=1e-4)
    answers = made["scans"]["answer"]
    assert answers.where(answers.notna(), "").tolist() == ["" if one.rejected else one.answer for one in alone]
    assert made["unread"]["path"].tolist() == ["ward0/broken.png"]
    assert "HTML" in made["unread"]["reason"].iloc[0]
    assert pd.read_parquet(tmp_path / "one" / "seconds")["seconds"].gt(0).all()


def test_a_volume_has_a_row_a_slice_and_a_broken_series_one_reason(tmp_path: Path) -> None:
    place = tmp_path / "in" / "series"
    place.mkdir(parents=True)
    shutil.copy(SAMPLES / "icbm_volume.nii.gz", tmp_path / "in")
    for name, data in volumes.files(volumes.series()).items():
        (place / name).write_bytes(data)
    found = score_archive(tmp_path / "in", tmp_path / "out", open_bundle(), workers=1)
    made = tables(tmp_path / "out")
    assert (found.scans, found.slices) == (1, 32)
    assert made["scans"][["kind", "slices"]].to_numpy().tolist() == [["volume", 32]]
    assert made["slices"]["height_mm"].tolist() == sorted(made["slices"]["height_mm"])
    assert made["unread"]["path"].str.startswith("series/").tolist() == [True]


def test_what_was_scored_stays_and_what_changed_is_scored_again(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "in")
    first = score_archive(tmp_path / "in", tmp_path / "out", open_bundle(), workers=1)
    again = score_archive(tmp_path / "in", tmp_path / "out", open_bundle(), workers=1)
    assert (again.now, again.scans, again.unread) == (0, first.scans, first.unread)
    assert again.resumed == len(list((tmp_path / "out" / "scans").iterdir())) - 1
    (tmp_path / "in" / "ward2" / "02.png").unlink()
    shutil.copy(SAMPLES / "icbm_template_z08.png", tmp_path / "in" / "ward2" / "new.png")
    after = score_archive(tmp_path / "in", tmp_path / "out", open_bundle(), workers=1)
    assert 0 < after.now < after.scans == first.scans
    made = tables(tmp_path / "out")["scans"]["path"]
    assert "ward2/new.png" in set(made)
    assert "ward2/02.png" not in set(made)
    assert made.is_unique


def test_a_killed_worker_loses_nothing(archive: Path, tmp_path: Path) -> None:
    expected = score_archive(archive, tmp_path / "whole", open_bundle(), workers=1)
    killed = []

    def kill_one(counts: object) -> None:
        if not killed:
            children = subprocess.run(
                ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            workers = [line.split()[0] for line in children.splitlines() if "LokyProcess" in line]
            killed.append(int(workers[0]))
            os.kill(killed[0], signal.SIGKILL)

    found = score_archive(archive, tmp_path / "out", open_bundle(), workers=2, done=kill_one)
    assert killed
    assert found.unread == expected.unread
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_results_of_another_model_or_of_somebody_else_are_not_mixed(
    archive: Path, tmp_path: Path, tiny_bundle: object
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(StageLensError, match="holds something else"):
        score_archive(archive, tmp_path / "mine", open_bundle())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "score.json").write_text(json.dumps({"format": 1, "model": "another"}))
    with pytest.raises(StageLensError, match="was made with another files and model and versions"):
        score_archive(archive, tmp_path / "other", open_bundle())
    with pytest.raises(StageLensError, match="is not a folder"):
        score_archive(archive / "nowhere", tmp_path / "new", open_bundle())


@pytest.mark.skipif(not is_installed("distributed"), reason="Dask is not installed")
def test_a_dask_cluster_that_loses_a_worker_writes_the_same_tables(archive: Path, tmp_path: Path) -> None:
    score_archive(archive, tmp_path / "here", open_bundle(), workers=1)
    log = (tmp_path / "log").open("w")
    processes = [_dask("scheduler", "--port", "0", "--scheduler-file", str(tmp_path / "at.json"), log=log)]
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "at.json").exists():
            assert time.monotonic() < until
            time.sleep(0.1)
        address = json.loads((tmp_path / "at.json").read_text())["address"]
        processes += [_dask("worker", address, "--nthreads", "1", "--no-nanny", log=log) for _ in range(2)]
        killed = threading.Event()

        def kill_one(counts: object) -> None:
            if not killed.is_set():
                killed.set()
                processes[-1].kill()

        until = time.monotonic() + 120
        while "Registered to" not in (tmp_path / "log").read_text():
            assert time.monotonic() < until
            time.sleep(0.1)
        score_archive(archive, tmp_path / "there", open_bundle(), scheduler=address, done=kill_one)
        assert killed.is_set()
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()
    assert files(tmp_path / "there") == files(tmp_path / "here")


def _dask(kind: str, *words: str, log: TextIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words, "--no-dashboard"],
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )


def test_a_scheduler_that_is_not_there_is_one_line(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(StageLensError, match="Dask"):
        score_archive(archive, tmp_path / "out", open_bundle(), scheduler="tcp://127.0.0.1:9")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_odd_names_and_what_cannot_be_opened_are_rows_like_any_other(tmp_path: Path) -> None:
    place = tmp_path / "in" / "sub dir"
    place.mkdir(parents=True)
    for name in (b"m\xfcller.png", b"two\nlines.png"):
        shutil.copy(SAMPLES / "icbm_template_z08.png", os.path.join(os.fsencode(place), name))  # noqa: PTH118
    (place / "up.png").symlink_to(tmp_path / "nowhere")
    (place / "cut.dcm").write_bytes(next(iter(volumes.files(volumes.series()).values()))[:600])
    found = score_archive(tmp_path / "in", tmp_path / "out", open_bundle(), workers=1)
    made = tables(tmp_path / "out")
    assert made["scans"]["path"].tolist() == ["sub dir/m\\udcfcller.png", "sub dir/two\\nlines.png"]
    assert made["unread"]["path"].tolist() == ["sub dir/cut.dcm", "sub dir/up.png"]
    assert (found.scans, found.unread) == (2, 2)


def test_an_empty_archive_has_tables_and_two_runs_do_not_write_at_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert score_archive(tmp_path / "in", tmp_path / "out", open_bundle(), workers=1).scans == 0
    assert [len(table) for table in tables(tmp_path / "out").values()] == [0, 0, 0]
    with scoring._alone(tmp_path / "out"), pytest.raises(StageLensError, match="another run is writing"):
        score_archive(tmp_path / "in", tmp_path / "out", open_bundle(), workers=1)


def test_a_stopped_command_leaves_no_process_behind(archive: Path, tmp_path: Path) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        out = tmp_path / sent.name
        command = subprocess.Popen(
            [sys.executable, "-m", "core", "score", str(archive), "--out", str(out), "--workers", "2"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        until = time.monotonic() + 120
        while not out.exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(3)
        command.send_signal(sent)
        command.communicate(timeout=60)  # whoever still held its output would keep this waiting
        assert command.returncode != 0 or sent == signal.SIGTERM
