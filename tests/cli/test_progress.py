"""What a person sees who stops a verb, or reads a training's progress in a file."""

import importlib.util
import io
import os
import signal
import subprocess
import sys

import pytest

from core.cli.progress import TrainingProgress

from ..conftest import ROOT

WAITS = """
import signal, sys, time
from core.__main__ import app, main
from core.cli.silenced import silenced_startup

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background begins without it

@app.command()
def wait():
    with silenced_startup():
        print("a note of a library", file=sys.stderr)
        print("waiting", flush=True)
        time.sleep(60)

sys.argv = ["stagelens", "wait"]
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_is_one_line_that_says_how_to_go_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "waiting\n"
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=60)
    assert run.returncode == 130
    assert error == "stagelens: stopped; train goes on with --resume, full and score when they are called again.\n"


@pytest.mark.parametrize("library", ["keras", "tensorflow"])
def test_a_network_library_that_a_verb_needs_in_the_middle_of_its_work_loads_without_a_note(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    code = f"import core.__main__, {library}; print({library}.__version__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip()
    assert done.stderr == ""


def test_where_there_is_no_terminal_each_finished_epoch_is_one_whole_line_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(raw, 10**6), encoding="utf-8"))  # as a file
    monkeypatch.setenv("COLUMNS", "40")
    training = {"accuracy": 0.9, "loss": 0.123}
    row = {**training, "val_accuracy": 0.7, "val_loss": 0.5}
    line = "training accuracy 0.900, training loss 0.123, validation accuracy 0.700, validation loss 0.500"
    with TrainingProgress() as progress:
        progress.say("a sentence [of many words] that is longer than a line of forty columns")
        for epoch in (1, 2):
            progress.epoch_begins(f"phase 1, epoch {epoch}", 2)
            for batch in (1, 2):
                progress.batch_ends(batch, training)
            progress.epoch_ends(1, row)
            assert raw.getvalue().decode().splitlines()[-1] == f"phase 1, epoch {epoch}: {line}"
    assert raw.getvalue().decode().splitlines() == [
        "a sentence [of many words] that is longer than a line of forty columns",
        f"phase 1, epoch 1: {line}",
        f"phase 1, epoch 2: {line}",
    ]
