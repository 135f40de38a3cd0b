"""The whole app without a browser, in this process: its pages are opened, run again, and read."""

import json
import re
from collections.abc import Iterator
from typing import Any

from streamlit.testing.v1 import AppTest

from ..conftest import ROOT

LONG = 240  # seconds a page may take
TEXTS = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success", "code")


def opened(page: str = "") -> AppTest:
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=LONG).run()
    return ran(app.switch_page(page) if page else app)


def ran(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, [found.value for found in app.exception]
    return app


def uploaded(*files: tuple[str, bytes]) -> AppTest:
    app = opened()
    app.file_uploader[0].set_value([(name, data, "application/octet-stream") for name, data in files])
    return ran(app)


def texts(app: AppTest) -> Iterator[str]:
    """Yield what stands on the page, and below its pictures."""
    for kind in TEXTS:
        yield from (str(one.value) for one in app.get(kind))
    for shown in app.get("image"):
        yield from (picture.caption for picture in shown.proto.imgs)


def says(app: AppTest, what: str) -> int:
    """Return how many texts on the page hold a pattern."""
    return len([text for text in texts(app) if re.search(what, text)])


def labelled(found: Any, label: str) -> Any:
    """Return the one widget whose label holds a pattern."""
    (one,) = (widget for widget in found if re.search(label, widget.label))
    return one


def plots(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(plot.proto.spec) for plot in app.get("plotly_chart")]


def pictures_of(app: AppTest) -> set[str]:
    return {picture.url for shown in app.get("image") for picture in shown.proto.imgs}


def headings(app: AppTest) -> list[str]:
    return [one.value for one in app.subheader]
