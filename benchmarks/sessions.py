"""Several people at one dashboard: each reads scan after scan, whose answers are checked, and another opens the page.

    python benchmarks/sessions.py [--sessions 8] [--minutes 5]

Prints errors, answers that were somebody else's, how long a reading takes (median and 95th percentile) beside a quiet
one, how long a ninth page takes to load beside a quiet one, and the memory before and after. The browsers run on the
same machine and take their share of it. Needs Chromium.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.async_api import Browser, Page, async_playwright  # noqa: E402

from benchmarks.start import Page as Served  # noqa: E402
from benchmarks.start import tree_mb  # noqa: E402
from tests.pages.server import CHROMIUM, QUIET  # noqa: E402

USABLE = "Upload a scan, or choose a sample"
LONGEST_MS = 120_000


def scans(count: int) -> list[tuple[bytes, str]]:
    """Return so many slices as PNG, each another, with the network's answer to each."""
    from core.scans import read_scan
    from core.workflows.predict import predict_scans, predictor_of

    rng = np.random.default_rng(1)
    pictures = [cv2.imread(str(path), 0) for path in sorted((ROOT / "sample_scans").glob("*.png"))]
    made = []
    for number in range(count):
        picture = pictures[number % len(pictures)].astype(np.float32)
        noisy = picture * rng.uniform(0.9, 1.05) + rng.normal(0, 4, picture.shape) * (picture > 20)
        made.append(cv2.imencode(".png", np.uint8(np.clip(noisy, 0, 255)))[1].tobytes())
    readings = predict_scans([read_scan({"a.png": data}) for data in made], predictor_of())
    answers = ["no answer" if one.prediction.rejected else one.prediction.answer for one in readings]
    return list(zip(made, answers, strict=True))


async def opened(browser: Browser, address: str) -> tuple[Page, float]:
    """Open a session, and say how long it took."""
    context = await browser.new_context(viewport={"width": 1200, "height": 900})
    page = await context.new_page()
    begun = time.perf_counter()
    await page.goto(address)
    await page.get_by_text(USABLE).wait_for(timeout=LONGEST_MS)
    return page, time.perf_counter() - begun


async def read(page: Page, data: bytes) -> tuple[float, str]:
    """Upload a slice in place of the one before; return how long its answer took, and the answer."""
    remove = page.get_by_role("button", name="Remove a.png")
    if await remove.count():
        await remove.first.click()
        await page.get_by_text(USABLE).wait_for(timeout=LONGEST_MS)
    begun = time.perf_counter()
    await page.locator("input[type=file]").first.set_input_files(
        [{"name": "a.png", "mimeType": "image/png", "buffer": data}]
    )
    heading = page.get_by_role("heading", name="Scan 1: ")
    await heading.wait_for(timeout=LONGEST_MS)
    return time.perf_counter() - begun, (await heading.inner_text()).removeprefix("Scan 1: ")


async def session(
    page: Page, own: list[tuple[bytes, str]], until: float, found: dict[str, list[float]], wrong: list[str]
) -> None:
    """Read scan after scan until the time is over."""
    number = 0
    while time.perf_counter() < until:
        data, expected = own[number % len(own)]
        number += 1
        try:
            seconds, answer = await read(page, data)
        except Exception as error:  # noqa: BLE001 - it is counted and printed
            wrong.append(f"error: {str(error).splitlines()[0]}")
            return
        found["reading"].append(seconds)
        if answer != expected:
            wrong.append(f"{answer} instead of {expected}")


async def measured(count: int, minutes: float) -> None:
    """Measure and print."""
    home = Path(tempfile.mkdtemp(prefix="stagelens-sessions-"))
    known = scans(count * 6)
    served = Served(ROOT / "streamlit_app.py", home)
    address = f"http://127.0.0.1:{served.port}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        while True:
            try:
                first, _ = await opened(browser, address)
                break
            except Exception:  # noqa: BLE001 - it does not listen yet
                await asyncio.sleep(0.2)
        await read(first, known[0][0])  # the network is compiled by then
        quiet = [(await read(first, data))[0] for data, _ in known[1:8]]
        loads = []
        for _ in range(5):
            page, seconds = await opened(browser, address)
            loads.append(seconds)
            await page.context.close()
        before = tree_mb(served.server.pid)
        pages = [first, *[(await opened(browser, address))[0] for _ in range(count - 1)]]
        found: dict[str, list[float]] = {"reading": [], "ninth": []}
        wrong: list[str] = []
        until = time.perf_counter() + 60 * minutes
        own = [known[number * 6 : number * 6 + 6] for number in range(count)]
        work = [asyncio.create_task(session(page, own[at], until, found, wrong)) for at, page in enumerate(pages)]
        while time.perf_counter() < until - 10:
            await asyncio.sleep(10)
            page, seconds = await opened(browser, address)
            found["ninth"].append(seconds)
            await page.context.close()
        await asyncio.gather(*work)
        after = tree_mb(served.server.pid)
        await browser.close()
    served.end()
    shutil.rmtree(home, ignore_errors=True)
    one, load = statistics.median(quiet), statistics.median(loads)
    times = np.array(found["reading"])
    p95 = float(np.quantile(times, 0.95))
    print(f"{count} sessions, {minutes:g} minutes, {len(times)} readings; wrong or failed: {len(wrong)} {wrong[:5]}")
    print(f"a reading, quiet: {one:.2f} s; with all: median {np.median(times):.2f}, p95 {p95:.2f} s")
    print(f"p95 / (quiet x {count} in line): {p95 / (one * count):.2f}")
    ninth = statistics.median(found["ninth"])
    print(f"a page load, quiet: {load:.2f} s; the ninth session's: {ninth:.2f} s, {ninth / load:.2f} times")
    print(f"memory before: {before} MB; after: {after} MB")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    asyncio.run(measured(options.sessions, options.minutes))


if __name__ == "__main__":
    main()
