"""What this machine can compute with, as text."""

from typing import Any


def devices_text(reports: list[dict[str, Any]]) -> str:
    """Say what each backend found and what will be used."""
    lines = []
    for report in reports:
        mark = "→" if report["chosen"] else " "
        if not report["installed"]:
            extra = "requirements.txt" if report["name"] == "tensorflow" else "requirements-backends.txt"
            lines.append(f"{mark} {report['name']:<11} not installed (pip install -r {extra})")
        elif report["trouble"]:
            lines.append(f"{mark} {report['name']:<11} does not work: {report['trouble']}")
        else:
            precision = "bfloat16" if report["bfloat16"] else "float32 only"
            found = ", ".join(report["devices"])
            lines.append(f"{mark} {report['name']:<11} uses {report['used']}; found {found}; {precision}")
            lines += [f"  {'':<11} {report['unused']}"] if report["unused"] else []
    why = next((report["why"] for report in reports if report["why"]), "none of these")
    return "\n".join([*lines, f"→ is used: {why}. KERAS_BACKEND=torch, jax or tensorflow chooses another."])
