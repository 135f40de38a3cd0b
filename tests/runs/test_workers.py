"""Worker processes: answers, places in line, cancelling, deaths, and what is not sent to anybody else."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from core.errors import NoHead
from core.runs.workers import Cancelled, Pool, WorkerLost, workers_wanted
from core.words import counted

from . import work

SOON = 60.0  # seconds; a process begins in half a second, unless the machine has much else to do


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Give one worker."""
    made = Pool(1)
    yield made
    made.close()


def test_work_is_done_elsewhere_and_its_answer_comes_back(pool: Pool) -> None:
    assert pool.submit(counted, 3, "slice").result() == "3 slices"
    pid, doubled = pool.submit(work.doubled, np.arange(4.0)).result()
    assert pid != os.getpid()
    np.testing.assert_array_equal(doubled, [0, 2, 4, 6])
    assert pool.submit(work.doubled, np.ones(1)).result()[0] == pid  # the process stays


def test_what_the_work_refuses_is_raised_and_a_fault_brings_its_traceback(pool: Pool) -> None:
    with pytest.raises(NoHead, match="no head here"):
        pool.submit(work.refuses).result()
    with pytest.raises(RuntimeError, match=r"in faulty\n(.|\n)*ZeroDivisionError"):
        pool.submit(work.faulty).result()
    with pytest.raises(RuntimeError, match="could not be handed over"):
        pool.submit(work.doubled, lambda: None).result()
    assert pool.submit(counted, 1, "slice").result() == "1 slice"


def test_work_waits_in_line_and_says_how_far_it_is(pool: Pool, tmp_path) -> None:
    go = tmp_path / "go"
    first, second, third = (pool.submit(work.waits_for, str(go), f"work {number}") for number in range(3))
    until = time.monotonic() + SOON
    while not first.said and time.monotonic() < until:
        time.sleep(0.02)
    assert (first.said, [one.place for one in (first, second, third)]) == ("waiting for go", [0, 1, 2])
    second.cancel()
    assert third.place == 1
    with pytest.raises(Cancelled):
        second.result()
    go.touch()
    assert [first.result(), third.result()] == ["work 0", "work 2"]


def test_cancelling_stops_what_is_being_done(pool: Pool, tmp_path) -> None:
    ticket = pool.submit(work.waits_for, str(tmp_path / "never"), "")
    until = time.monotonic() + SOON
    while not ticket.said and time.monotonic() < until:
        time.sleep(0.02)
    ticket.cancel()
    with pytest.raises(Cancelled):
        ticket.result()
    assert pool.submit(counted, 2, "map").result() == "2 maps"


def test_a_worker_that_dies_is_said_and_replaced(pool: Pool) -> None:
    with pytest.raises(WorkerLost, match="ended"):
        pool.submit(work.dies).result()
    after = pool.submit(counted, 2, "map")
    assert after.result() == "2 maps"


def test_a_second_worker_begins_while_the_first_is_busy(tmp_path) -> None:
    pool, go = Pool(2), tmp_path / "go"
    try:
        busy = pool.submit(work.waits_for, str(go), "done")
        assert pool.submit(counted, 2, "map").result() == "2 maps"
        assert not busy.done
        go.touch()
        assert busy.result() == "done"
    finally:
        assert len(pool.processes) == 2
        pool.close()
    assert pool.processes == []


def test_a_pool_that_closes_leaves_nobody_waiting(tmp_path) -> None:
    pool = Pool(1)
    tickets = [pool.submit(work.waits_for, str(tmp_path / "never"), "") for _ in range(2)]
    pool.close()
    for ticket in tickets:
        with pytest.raises(Cancelled):
            ticket.result()


def test_work_for_a_pool_that_is_closed_is_cancelled(pool: Pool) -> None:
    pool.close()
    with pytest.raises(Cancelled, match="stopping"):
        pool.submit(counted, 2, "map").result()


def test_cancelling_harms_nobody_else(pool: Pool) -> None:
    for number in range(60):
        victim = pool.submit(time.sleep, 0.002)
        others = [pool.submit(counted, number, "map") for _ in range(3)]
        time.sleep(0.0001 * (number % 40))
        victim.cancel()
        assert {one.result() for one in others} == {counted(number, "map")}
    os.kill(pool.processes[0], signal.SIGKILL)  # while it has nothing to do
    assert pool.submit(counted, 2, "map").result() == "2 maps"


def test_a_worker_that_has_grown_too_large_is_replaced(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runs.workers.MOST_MEMORY_MB", 1)
    pids = {pool.submit(work.doubled, np.ones(1)).result()[0] for _ in range(2)}
    assert len(pids) == (2 if sys.platform == "linux" else 1)


@pytest.mark.parametrize(("asked", "wanted"), [("0", 0), ("3", 3)])
def test_the_number_of_workers_can_be_chosen(monkeypatch: pytest.MonkeyPatch, asked: str, wanted: int) -> None:
    monkeypatch.setenv("STAGELENS_WORKERS", asked)
    assert workers_wanted() == wanted
    monkeypatch.setenv("STAGELENS_WORKERS", "many")
    assert workers_wanted() >= 2
