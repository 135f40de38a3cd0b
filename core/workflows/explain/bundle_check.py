"""Sanity-check reports of whole bundles."""

from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import StageLensError
from core.explain import explainer
from core.explain.checks.randomisation import sanity_check
from core.explain.checks.sanity_report import SanityReport, write_sanity_report
from core.networks.inference.predictor import Predictor
from core.scans import Scan, read_scan_file
from core.workflows.library import SAMPLES

SAMPLE_HEIGHTS = (0, 8, 16, 24)


def check_bundle(
    predictor: Predictor, *, methods: Sequence[str] = (), say: Callable[[str], None] = lambda sentence: None
) -> tuple[SanityReport, Path]:
    """Run the randomisation check for a bundle on the sample scans, and keep the outcome beside its card.

    Args:
        predictor: The loaded bundle.
        methods: Names; none for all.
        say: Told a sentence a method.

    Raises:
        StageLensError: The network reads whole volumes, or a method is not known.
    """
    for name in methods:
        explainer(name)
    if predictor.recipe.depth is not None:
        raise StageLensError("sanity-check reports are made for networks of slices.")
    scans, heights = sample_slices()
    what = f"{len(scans)} synthetic slices of the ICBM average brain"
    sanity_report = sanity_check(predictor, scans, methods=methods, what=what, heights_mm=heights, say=say)
    return sanity_report, write_sanity_report(predictor.bundle.folder, sanity_report)


def sample_slices() -> tuple[list[Scan], list[float]]:
    """Return the sample slices that are most and least changed, with their heights in mm."""
    scans, heights = [], []
    for kind in ("template", "marked"):
        for height in SAMPLE_HEIGHTS:
            scans.append(read_scan_file(SAMPLES / f"icbm_{kind}_z{height:02d}.png"))
            heights.append(float(height))
    return scans, heights
