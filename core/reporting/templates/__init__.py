"""Pages that are files of their own, by Jinja2; what is put into HTML is escaped unless it is Markup."""

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.reporting.text.numbers import sentence

FOLDER = Path(__file__).parent


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: str(name).endswith(".html.j2"),  # noqa: S701 - the rest is Markdown, rendered without HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sentence"] = sentence
    return environment


def rendered(name: str, **values: Any) -> str:
    """Fill a template of this folder.

    Args:
        name: Such as "model_card.md.j2".
        values: What it names; everything it names must be there.
    """
    return _environment().get_template(name).render(values)


def page(title: str, body: str) -> str:
    """Return a page of HTML that needs nothing else.

    Args:
        title: In plain text.
        body: HTML.
    """
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    return rendered("page.html.j2", title=title, body=Markup(body), style=Markup(style))  # noqa: S704 - our own HTML
