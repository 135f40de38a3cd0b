"""Draw the rooms of the package and the imports between them, as pyproject.toml's contract layers them.

    python -m docs.rooms            # writes docs/background/rooms.svg and rooms-dark.svg
    python -m docs.rooms --check    # says whether they are up to date; a test asks the same

The rooms stand on a diagonal, the highest at the top left. A line leaves a room to the right and comes down on the room
it imports; the number where it turns says how many imports of one module by another it stands for. An import upwards
would lie to the left of the diagonal.
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs" / "background"
ROOTS = ("core", "pages")
WITH = {"core.__main__": "core.cli"}  # the entry point of the command line is drawn with its verbs
COLUMN, ROW, BOX, HEIGHT, MARGIN, CORNER = 88, 60, 114, 38, 28, 10
COLOURS = {
    "rooms.svg": {"ground": "#FFFFFF", "band": "#F3F7F8", "box": "#0F6E84", "text": "#FFFFFF", "line": "#9DB4BB",
                  "pill": "#E3EEF1", "number": "#0B4E5E", "strong": "#0F6E84", "words": "#51646B"},
    "rooms-dark.svg": {"ground": "#10171A", "band": "#161F23", "box": "#2B8CA3", "text": "#FFFFFF", "line": "#4A5F67",
                       "pill": "#22333A", "number": "#BFE3EB", "strong": "#4FB3C8", "words": "#9FB3BA"},
}  # fmt: skip


@dataclass(frozen=True)
class Room:
    """A box of the drawing.

    Attributes:
        title: What stands in it.
        modules: The packages or modules that it holds.
        layer: From the top, 0.
    """

    title: str
    modules: tuple[str, ...]
    layer: int


def rooms() -> tuple[Room, ...]:
    """Return the rooms from the top layer to the bottom; modules that are no packages make one box."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    found, single = [], []
    for number, layer in enumerate(layers):
        for name in layer.split(" | "):
            if name in WITH:
                continue
            if not (PROJECT / name.replace(".", "/")).is_dir():
                single.append(name)
                continue
            others = tuple(entry for entry, room in WITH.items() if room == name)
            found.append(Room(name.removeprefix("core."), (name, *others), number))
    single += [f"core.{path.stem}" for path in (PROJECT / "core").glob("*.py") if not path.stem.startswith("__")]
    return (*found, Room("foundations", tuple(sorted(set(single))), len(layers) - 1))


def imports_between(of: tuple[Room, ...]) -> Counter[tuple[int, int]]:
    """Count, for every two rooms, how often a module of the first imports one of the second."""
    graph = grimp.build_graph(*ROOTS, cache_dir=None)
    counted: Counter[tuple[int, int]] = Counter()
    for module in graph.modules:
        here = _room_of(module, of)
        for other in graph.find_modules_directly_imported_by(module):
            there = _room_of(other, of)
            if None not in (here, there) and here != there:
                counted[here, there] += 1  # type: ignore[index]
    return counted


def drawing(colours: dict[str, str]) -> str:
    """Return the drawing as SVG."""
    of = rooms()
    counted = imports_between(of)
    width = 2 * MARGIN + BOX + COLUMN * (len(of) - 1)
    height = 2 * MARGIN + HEIGHT + ROW * (len(of) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif" role="img">',
        f"<title>The rooms of StageLens and the {sum(counted.values())} imports between them</title>",
        f'<rect width="{width}" height="{height}" rx="12" fill="{colours["ground"]}"/>',
        *_bands(of, width, colours),
        *_lines(of, counted, colours),
        *_boxes(of, colours),
        *_numbers(counted, colours),
        *_words(of, counted, height, colours),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _room_of(module: str, of: tuple[Room, ...]) -> int | None:
    for number, room in enumerate(of):
        if any(module == name or module.startswith(f"{name}.") for name in room.modules):
            return number
    return None


def _left(number: int) -> int:
    return MARGIN + COLUMN * number


def _top(number: int) -> int:
    return MARGIN + ROW * number


def _bands(of: tuple[Room, ...], width: int, colours: dict[str, str]) -> Iterator[str]:
    """Every other layer has a ground of its own, so that rooms of one layer are seen to be of one layer."""
    layers = sorted({room.layer for room in of})
    for place, layer in enumerate(layers):
        if place % 2:
            continue
        numbers = [number for number, room in enumerate(of) if room.layer == layer]
        left = _left(numbers[0]) - MARGIN / 2
        top, bottom = _top(numbers[0]) - (ROW - HEIGHT) / 2, _top(numbers[-1]) + HEIGHT + (ROW - HEIGHT) / 2
        yield (
            f'<rect x="{left:g}" y="{top:g}" width="{width - left - MARGIN / 2:g}" height="{bottom - top:g}" rx="10" '
            f'fill="{colours["band"]}"/>'
        )


def _lines(of: tuple[Room, ...], counted: Counter[tuple[int, int]], colours: dict[str, str]) -> Iterator[str]:
    for here, there in sorted(counted):
        x, y = _left(there) + BOX / 2, _top(here) + HEIGHT / 2
        start = _left(here) + (BOX if there > here else 0)
        end = _top(there) - 7 if there > here else _top(there) + HEIGHT + 7
        turn = CORNER if there > here else -CORNER
        yield (
            f'<path d="M{start:g} {y:g}H{x - turn:g}Q{x:g} {y:g} {x:g} {y + turn:g}V{end:g}" fill="none" '
            f'stroke="{colours["line"]}" stroke-width="1.5"/>'
        )
    for there in sorted({there for _, there in counted}):
        x, y = _left(there) + BOX / 2, _top(there)
        yield f'<path d="M{x - 5:g} {y - 9}L{x:g} {y - 1}L{x + 5:g} {y - 9}Z" fill="{colours["line"]}"/>'


def _boxes(of: tuple[Room, ...], colours: dict[str, str]) -> Iterator[str]:
    for number, room in enumerate(of):
        x, y = _left(number), _top(number)
        yield (
            f'<rect x="{x}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="8" fill="{colours["box"]}"/>'
            f'<text x="{x + BOX / 2:g}" y="{y + HEIGHT / 2 + 5:g}" text-anchor="middle" font-size="15" '
            f'font-weight="600" fill="{colours["text"]}">{escape(room.title)}</text>'
        )


def _numbers(counted: Counter[tuple[int, int]], colours: dict[str, str]) -> Iterator[str]:
    for (here, there), count in sorted(counted.items()):
        x, y = _left(there) + BOX / 2, _top(here) + HEIGHT / 2
        wide = 24 if count < 10 else 30 if count < 100 else 38
        yield (
            f'<rect x="{x - wide / 2:g}" y="{y - 11:g}" width="{wide}" height="22" rx="11" fill="{colours["pill"]}" '
            f'stroke="{colours["ground"]}" stroke-width="2"/>'
            f'<text x="{x:g}" y="{y + 4.5:g}" text-anchor="middle" font-size="13" '
            f'fill="{colours["number"]}">{count}</text>'
        )


def _words(
    of: tuple[Room, ...], counted: Counter[tuple[int, int]], height: int, colours: dict[str, str]
) -> Iterator[str]:
    foundations = ", ".join(name.removeprefix("core.") for name in of[-1].modules)
    upwards = sum(count for (here, there), count in counted.items() if there < here)
    lines = (
        (f"{sum(counted.values())} imports, {upwards or 'none'} upwards", colours["strong"], 18, 600),
        ("A line leaves a room to the right and comes down on the one it imports.", colours["words"], 14, 400),
        ("A number counts the imports of one module by another.", colours["words"], 14, 400),
        ("Rooms of one layer share a band; they may not import each other.", colours["words"], 14, 400),
        (f"Foundations: {foundations}.", colours["words"], 14, 400),
    )
    y = height - MARGIN - 22 * (len(lines) - 1) - 4
    for text, colour, size, weight in lines:
        yield (
            f'<text x="{MARGIN}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}">'
            f"{escape(text)}</text>"
        )
        y += 22


def main() -> int:
    """Write the drawings, or with --check say whether they are as they should be."""
    stale = []
    for name, colours in COLOURS.items():
        path, text = FOLDER / name, drawing(colours)
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(f"{', '.join(stale)}: not as the imports are; run python -m docs.rooms", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
