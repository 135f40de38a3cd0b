"""Worker processes: they compute, so that the process that asks can do other things meanwhile, such as draw pages.

Work is a function of a module and its arguments, which are pickled. Pieces are done in the order they came; each can
be followed (its place in line, what it says) and cancelled. A worker that dies takes its piece of work with it and is
replaced. Results go to whoever asked, and nowhere else.

`concurrent.futures` and loky were tried first: both lose all work of a pool with one dead process, and can cancel only
what has not begun.
"""

import atexit
import contextlib
import functools
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from core.errors import StageLensError
from core.files import PROJECT
from core.runs.worker import DONE, FAILED, PROGRESS, REFUSED

WORKERS_VARIABLE = "STAGELENS_WORKERS"
FEWEST, MOST = 2, 4  # one long piece of work does not keep short ones waiting
MOST_WAITING = 200
MOST_MEMORY_MB = 3_000  # a worker that holds more after its work is replaced
FRUGAL = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "1000000", "TF_CPP_MIN_LOG_LEVEL": "3"}
IDLE_S = 300.0  # after which all workers but one end


class Cancelled(StageLensError):
    """A piece of work was cancelled by whoever asked for it."""


class WorkerLost(StageLensError):
    """The process that did a piece of work died."""


class Ticket:
    """A piece of work that somebody waits for.

    Attributes:
        said: What the work said last of how far it is; "" at first.
    """

    def __init__(self, pool: "Pool", order: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> None:
        self.said = ""
        self._pool, self._order = pool, order
        self._finished = threading.Event()
        self._result: Any = None
        self._error: Exception | None = None

    @property
    def done(self) -> bool:
        """Whether there is a result, or none will come."""
        return self._finished.is_set()

    @property
    def place(self) -> int:
        """How many pieces of work are before this one; 0 where it is being done, or is done."""
        return self._pool.place_of(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is done, or for so long; tell whether it is."""
        return self._finished.wait(seconds)

    def result(self) -> Any:
        """Wait for the result.

        Raises:
            StageLensError: What the work itself raised; `Cancelled`; or `WorkerLost`.
            OSError: The same.
            RuntimeError: A fault of the program, with the worker's traceback.
        """
        self._finished.wait()
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self) -> None:
        """Stop it, wherever it is; what was done of it is lost."""
        self._pool.cancel(self)

    def finish(self, result: Any = None, error: Exception | None = None) -> None:
        """End it; the first end counts."""
        if not self._finished.is_set():
            self._result, self._error = result, error
            self._finished.set()


class Pool:
    """A number of worker processes, each started when it is first needed."""

    def __init__(self, size: int) -> None:
        """Start nothing yet.

        Args:
            size: The most processes at a time.
        """
        self._size = size
        self._changed = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._workers: list[_Worker] = []
        self._closed = False
        atexit.register(self.close)

    def submit(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Ticket:
        """Put a piece of work at the end of the line.

        Raises:
            StageLensError: The line is too long.
        """
        ticket = Ticket(self, (function, arguments, named))
        with self._changed:
            if self._closed:
                ticket.finish(error=Cancelled("the server is stopping."))
                return ticket
            if len(self._waiting) >= MOST_WAITING:
                raise StageLensError(f"{MOST_WAITING} pieces of work are waiting already; try again in a minute.")
            self._waiting.append(ticket)
            idle = sum(worker.ticket is None for worker in self._workers)
            if idle < len(self._waiting) and len(self._workers) < self._size and not self._closed:
                self._workers.append(_Worker())
                threading.Thread(target=self._serve, args=(self._workers[-1],), daemon=True).start()
            self._changed.notify_all()
        return ticket

    def place_of(self, ticket: Ticket) -> int:
        """Return how many pieces of work are before one."""
        with self._changed:
            try:
                return self._waiting.index(ticket) + 1
            except ValueError:
                return 0

    def cancel(self, ticket: Ticket) -> None:
        """Take a piece of work out of the line, or end the process that does it."""
        with self._changed:
            ticket.finish(error=Cancelled("it was cancelled."))
            with contextlib.suppress(ValueError):
                self._waiting.remove(ticket)
            for worker in self._workers:
                if worker.ticket is ticket:
                    worker.kill()

    def close(self) -> None:
        """End all processes; what was not done is cancelled."""
        with self._changed:
            self._closed = True
            for ticket in (*self._waiting, *(worker.ticket for worker in self._workers)):
                if ticket is not None:
                    ticket.finish(error=Cancelled("the server is stopping."))
            self._waiting.clear()
            for worker in self._workers:
                worker.end()
            self._changed.notify_all()

    @property
    def processes(self) -> list[int]:
        """The ids of the processes that are alive."""
        with self._changed:
            return [one.pid for one in (worker.process for worker in self._workers) if one is not None]

    def _serve(self, worker: "_Worker") -> None:
        """Do one piece of work after the other with a process; ends where there is none for long, or the pool is."""
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    if not self._changed.wait(IDLE_S) and not self._waiting and len(self._workers) > 1:
                        self._workers.remove(worker)
                        worker.end()
                        return
                if self._closed:
                    return
                worker.ticket = self._waiting.popleft()
            worker.work()
            with self._changed:
                worker.ticket = None


class _Worker:
    """One process, replaced when it dies, is killed, or has grown too large."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.ticket: Ticket | None = None
        self._doomed = False

    def kill(self) -> None:
        """End the process, whatever it does."""
        process, self._doomed = self.process, True
        if process is not None:
            process.kill()

    def work(self) -> None:
        """Do the piece of work of the ticket."""
        ticket = self.ticket
        assert ticket is not None  # noqa: S101 - set by the pool
        if ticket.done:  # it was cancelled in between
            return
        try:
            try:
                self._ask(ticket)
            except (OSError, EOFError):  # it may have died before it had this work
                self.end()
                if not ticket.done:
                    self._ask(ticket)
        except (OSError, EOFError, pickle.UnpicklingError):
            code = self.end()
            ticket.finish(error=WorkerLost(f"the process that computed this ended ({code}); try again."))
        except Exception as error:  # noqa: BLE001 - an argument that cannot be sent, say; nobody waits for ever
            self.end()
            ticket.finish(error=RuntimeError(f"the work could not be handed over: {error}"))

    def _ask(self, ticket: Ticket) -> None:
        order = pickle.dumps(ticket._order, protocol=pickle.HIGHEST_PROTOCOL)
        if self.process is None or self._doomed or self.process.poll() is not None:
            self.end()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core.runs.worker"],
                cwd=PROJECT,
                env={**FRUGAL, **os.environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        process = self.process
        assert process.stdin is not None  # noqa: S101 - pipes
        assert process.stdout is not None  # noqa: S101
        if ticket.done:
            return
        process.stdin.write(order)
        process.stdin.flush()
        while True:
            kind, what, memory = pickle.load(process.stdout)  # noqa: S301 - from the process that was started here
            if kind == PROGRESS:
                ticket.said = what
                continue
            if kind == DONE:
                ticket.finish(what)
            elif kind == REFUSED:
                ticket.finish(error=what)
            elif kind == FAILED:
                ticket.finish(error=RuntimeError(what))
            break
        if memory > MOST_MEMORY_MB:
            self.end()

    def end(self) -> int | None:
        """Forget the process, and return how it ended."""
        process, self.process, self._doomed = self.process, None, False
        if process is None:
            return None
        process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return code


def workers_wanted() -> int:
    """Return how many workers there are to be: $STAGELENS_WORKERS, or by the number of cores; 0 computes at home."""
    chosen = os.environ.get(WORKERS_VARIABLE, "")
    return int(chosen) if chosen.isdigit() else max(FEWEST, min(MOST, (os.cpu_count() or 1) // 2))


@functools.cache
def pool() -> Pool:
    """Return this process's workers."""
    return Pool(max(1, workers_wanted()))
