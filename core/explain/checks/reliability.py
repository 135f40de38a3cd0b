"""Cheap checks that every heatmap carries, and the doubts that follow from them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.explain.checks.sanity_report import SanityReport
from core.explain.explanation import Explanation
from core.explain.overlay import heatmap_on_scan
from core.scans import BACKGROUND


def checked(
    explanation: Explanation,
    grey: NDArray[np.float32],
    sanity_report: SanityReport | None = None,
    known_to_fail: str = "",
) -> Explanation:
    """Return an explanation with its checks made.

    They are, beside those the method made itself, `finite`; `constant`; `background_evidence` beside `background` of
    the scan; `half_mass_fraction`, the share of the picture that holds half of the positive evidence; and `randomisation`,
    what the bundle's certificate says of the method, or, where it says nothing, `known_to_fail`.

    Args:
        explanation: A fresh explanation.
        grey: The scan it explains, float32, H × W (or D × H × W), in [0, 255].
        sanity_report: Of the bundle, if it has one.
        known_to_fail: Why the method is known to fail the randomisation check, if it is.
    """
    heatmap, checks = explanation.heatmap, dict(explanation.checks)
    checks["finite"] = bool(np.isfinite(heatmap).all())
    checks["constant"] = bool(np.ptp(heatmap) == 0)
    checks["background"] = float((grey <= BACKGROUND).mean())
    if checks["finite"] and not explanation.is_empty:
        positive = np.maximum(heatmap_on_scan(explanation), 0)
        checks["background_evidence"] = background_evidence(positive, grey)
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
    """Say, a sentence each, which checks failed."""
    failed_checks = []
    if not checks["finite"]:
        return ["the heatmap holds values that are no numbers."]
    if checks["constant"]:
        failed_checks.append("the heatmap is the same everywhere.")
    fraction, background = checks.get("background_evidence"), checks["background"]
    if isinstance(fraction, float) and isinstance(background, float) and fraction >= background > 0:
        failed_checks.append("it points to the head no better than an even map would.")
    if checks.get("complete") is False:
        failed_checks.append(f"its completeness error is {checks['completeness_error']:.1%} of the score difference.")
    checked = checks.get("randomisation")
    if isinstance(checked, dict) and not checked["passed"]:
        failed_checks.append("with this network the method draws nearly the same map when the weights are random.")
    elif "known_to_fail" in checks:
        failed_checks.append(f"{checks['known_to_fail']}.")
    return failed_checks


def background_evidence(heat: NDArray[np.float32], grey: NDArray[np.float32]) -> float:
    """Return which share of the evidence lies on dark background, where there is no anatomy to speak for anything.

    Dark fluid counts as background too, so a share as large as the dark part of the picture says nothing bad; a network
    that looks at the air around the head has a larger one.

    Args:
        heat: float32, H × W, not negative, in the scan's pixels.
        grey: float32, H × W, in [0, 255].

    Returns:
        A share in [0, 1]; NaN when there is no evidence at all.
    """
    total = float(heat.sum())
    return float(heat[grey <= BACKGROUND].sum()) / total if total > 0 else float("nan")


def half_mass_fraction(heat: NDArray[np.float32]) -> float:
    """Return the smallest share of the area that holds half of the evidence: small for a pointed map, 0.5 for an
    even one.
    """
    ordered = np.sort(heat, axis=None)[::-1].astype(np.float64)
    reached = np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)
    return float((reached + 1) / ordered.size)
