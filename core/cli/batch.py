"""Many scans in one command: each that cannot be read is one line on standard error, and the others go on."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.progress import each_shown
from core.cli.shared import complain
from core.errors import ScanError, StageLensError, shortened

if TYPE_CHECKING:
    from core.scans import Scan
    from core.scans.folders import Found

AT_ONCE = 16  # pictures in one pass of a network; volumes go one by one, as each takes much memory


class Batch:
    """Scans in files and folders, read one after the other.

    Attributes:
        scans: Those that were found.
        failed: How many could not be read, or got no answer.
        refused: Name, what is shown, and the reason of each of these that has a name.
        passed_over: How many files in folders are no scans.
    """

    def __init__(self, paths: Sequence[Path], page: int | None = None, *, flip: bool = False) -> None:
        """Find them; a file that cannot be opened is complained of at once.

        Args:
            paths: Files and folders.
            page: Which page, volume or series of each.
            flip: Whether pictures whose orientation is not known are turned over, front to back.
        """
        from core.scans.folders import find_scans

        listing = find_scans(paths)
        self.scans, self.passed_over, self.failed = listing.scans, listing.passed_over, 0
        self._page, self._flip = page, flip
        self.refused: list[tuple[str, str, str]] = []
        for error in listing.errors:
            self.refuse(error)
        if not self.scans and not self.failed:
            named = ", ".join(shortened(str(path)) for path in paths)
            self.refuse(ScanError(f"there is no scan in {named}; give a scan, or a folder of scans."))

    def refuse(self, error: StageLensError, found: "Found | None" = None) -> None:
        """Print an error as one line, and count it."""
        self.failed += 1
        if found is not None:
            self.refused.append((found.name, found.shown, str(error)))
        complain(error)

    def read(self) -> Iterator[tuple["Found", "Scan"]]:
        """Yield what can be read, with its progress on standard error."""
        from core.scans.framing import flipped

        for found in each_shown(self.scans):
            try:
                scan = found.read(self._page)
            except StageLensError as error:
                self.refuse(error, found)
                continue
            yield found, flipped(scan) if self._flip and scan.orientation is None else scan

    def answered(self, answer: Callable[[list["Scan"]], Sequence[Any]]) -> Iterator[tuple["Found", Any]]:
        """Yield what a network says of each scan, several pictures at a time.

        Args:
            answer: Returns an answer for each of several scans.
        """
        waiting: list[tuple[Found, Scan]] = []
        for found, scan in self.read():
            if scan.is_volume:
                yield from self._answered(waiting, answer)
                waiting = []
            waiting.append((found, scan))
            if scan.is_volume or len(waiting) == AT_ONCE:
                yield from self._answered(waiting, answer)
                waiting = []
        yield from self._answered(waiting, answer)

    def _answered(
        self, waiting: list[tuple["Found", "Scan"]], answer: Callable[[list["Scan"]], Sequence[Any]]
    ) -> Iterator[tuple["Found", Any]]:
        try:
            answers = answer([scan for _, scan in waiting])
        except StageLensError as error:
            for found, _ in waiting:
                self.refuse(type(error)(f"{found.shown}: {error}"), found)
        else:
            yield from zip([found for found, _ in waiting], answers, strict=True)
