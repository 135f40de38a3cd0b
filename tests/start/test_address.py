import subprocess
import sys

import pytest

from start.address import trouble

from ..conftest import ROOT


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])  # noqa: S104 - for a moment
def test_an_address_of_this_machine_is_taken(host: str) -> None:
    assert trouble(host) == ""


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "2001:db8::1", "a" * 70 + ".invalid", "http://me"])
def test_any_other_is_refused_in_one_line_with_what_to_give(host: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "start.address", host], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"HOST={host} is no address of this machine")
    assert "HOST=0.0.0.0 for all of them" in line
