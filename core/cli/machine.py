"""Verbs for the machine at hand."""

from dataclasses import asdict
from typing import Annotated

import typer

from core.cli.shared import MACHINE, AsJson, show

commands = typer.Typer()


@commands.command(rich_help_panel=MACHINE)
def devices(as_json: AsJson = False) -> None:
    """Say what each backend found to compute with, and what will be used."""
    from core.reporting.text.machine import devices_text
    from core.runs.backends import backends

    reports = [asdict(report) for report in backends()]
    show(reports, as_json, devices_text(reports))


@commands.command(rich_help_panel=MACHINE)
def doctor(
    only: Annotated[
        list[str] | None, typer.Option(help="Only the components whose names begin so; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try every component on this machine, and say what to do about what fails."""
    from core.cli.silenced import silenced_startup
    from core.workflows.doctor import chosen_checks, examine

    findings, wanted = [], chosen_checks(only or [])
    with silenced_startup():
        for finding in examine(wanted):
            findings.append(asdict(finding))
            if not as_json:
                mark = "ok  " if finding.well else "FAIL"
                print(
                    f"{mark} {finding.component}: {finding.words}" + (f"  → {finding.remedy}" if finding.remedy else "")
                )
    show(findings, as_json, "")
    raise typer.Exit(0 if all(finding["well"] for finding in findings) else 1)
