"""The command line, run in this process: as a shell would, without the start of another one."""

import contextlib
import io
import shlex
import sys
from pathlib import Path

import pytest

from core.__main__ import main


def said(folder: Path, command: str) -> str:
    """Run a command in a folder, in this process, and return what it put out."""
    out, status = io.StringIO(), 0
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setattr(sys, "argv", ["stagelens", *shlex.split(command)])
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    assert status == 0, f"{command}: {out.getvalue()[-1000:]}"
    return out.getvalue()
