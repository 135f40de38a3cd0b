"""Cheap checks that every heatmap carries, and which of them failed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.explain.checks.sanity_report import SanityReport
from core.explain.explanation import Explanation
from core.explain.overlay import heatmap_on_scan
from core.scans import BACKGROUND


def checked(
    explanation: Explanation,
    image: NDArray[np.float32],
    sanity_report: SanityReport | None = None,
    known_to_fail: str = "",
) -> Explanation:
    """Return an explanation with its checks.

    Besides those made by the method itself, they are `finite`; `constant`; `background_evidence` with the `background`
    of the scan; `half_mass_fraction`, the fraction of the picture that holds half of the positive evidence; and
    `randomisation`, the result for this method in the bundle's sanity-check report, or, without one, `known_to_fail`.

    Args:
        explanation: An explanation without these checks.
        image: The scan it explains, float32, H × W (or D × H × W), in [0, 255].
        sanity_report: The bundle's sanity-check report, if it has one.
        known_to_fail: Why the method is known to fail the randomisation check, if it is.
    """
    heatmap, checks = explanation.heatmap, dict(explanation.checks)
    checks["finite"] = bool(np.isfinite(heatmap).all())
    checks["constant"] = bool(np.ptp(heatmap) == 0)
    checks["background"] = float((image <= BACKGROUND).mean())
    if checks["finite"] and not explanation.is_empty:
        positive = np.maximum(heatmap_on_scan(explanation), 0)
        checks["background_evidence"] = background_evidence(positive, image)
        checks["half_mass_fraction"] = half_mass_fraction(positive)
    if sanity_report is not None and explanation.method in sanity_report.methods:
        checks["randomisation"] = sanity_report.methods[explanation.method].as_dict()
    elif known_to_fail:
        checks["known_to_fail"] = known_to_fail
    return replace(
        explanation,
        checks=checks,
        failed_checks=() if explanation.is_empty and checks["finite"] else tuple(failed_checks_of(checks)),
    )


def failed_checks_of(checks: dict[str, object]) -> list[str]:
    """Return one sentence for each check that failed."""
    if not checks["finite"]:
        return ["the heatmap holds values that are not numbers."]
    failed = []
    if checks["constant"]:
        failed.append("the heatmap is the same everywhere.")
    fraction, background = checks.get("background_evidence"), checks["background"]
    if isinstance(fraction, float) and isinstance(background, float) and fraction >= background > 0:
        failed.append("it highlights the background as much as the brain.")
    error = checks.get("completeness_error")
    if checks.get("complete") is False and checks.get("map_settled") is not True and isinstance(error, float):
        failed.append(f"its completeness error is {100 * error:.1f} % of the score difference.")
    change = checks.get("map_change")
    if checks.get("map_settled") is False and isinstance(change, float):
        failed.append(f"it still changed by {100 * change:.0f} % when the points along its path were doubled.")
    sanity_check = checks.get("randomisation")
    if isinstance(sanity_check, dict) and not sanity_check["passed"]:
        failed.append("for this network the method gives nearly the same map with random weights.")
    elif "known_to_fail" in checks:
        failed.append(f"{checks['known_to_fail']}.")
    return failed


def background_evidence(heatmap: NDArray[np.float32], image: NDArray[np.float32]) -> float:
    """Return the fraction of the evidence on dark background, where there is no anatomy.

    Dark fluid counts as background too, so the fraction may be as large as the dark part of the picture; it is larger
    for a network that uses the air around the head.

    Args:
        heatmap: float32, H × W, not negative, in the scan's pixels.
        image: float32, H × W, in [0, 255].

    Returns:
        A fraction in [0, 1]; NaN if there is no evidence at all.
    """
    total = float(heatmap.sum())
    return float(heatmap[image <= BACKGROUND].sum()) / total if total > 0 else float("nan")


def half_mass_fraction(heatmap: NDArray[np.float32]) -> float:
    """Return the smallest fraction of the picture that holds half of the evidence: small for a focused map, 0.5 for a
    uniform one.
    """
    ordered = np.sort(heatmap, axis=None)[::-1].astype(np.float64)
    reached = np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)
    return float((reached + 1) / ordered.size)
