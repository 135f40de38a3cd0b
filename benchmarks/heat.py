"""Where the heat of a bundle lies on the sample slices: how much of it inside the head, in how many cells, how steady.

    python benchmarks/heat.py [MODEL …] [--method grad-cam]

The map is of the predicted class, also where the bundle rejects the slice; the head is what is not black. An even map
would have as much of its heat inside as the head fills of the picture.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from core.explain.checks.stability import stability
from core.explain.placing import drawn_at
from core.networks.inference.engine import stretched
from core.scans import read_scan_file
from core.workflows.library import SAMPLES
from core.workflows.predict import predictor_of, read_scans


def heat_of(model: str, path: Path, method: str) -> tuple[float, float, bool, bool, tuple[int, ...]]:
    """Return the shares of the heat and of the picture inside the head, and whether it holds and is accepted."""
    predictor = predictor_of(model)
    (reading,) = read_scans([read_scan_file(path)], predictor, method=method)
    explanation, seen = reading.explanations[0], reading.slices[0]
    inputs = predictor.inputs([seen.grey()])[0, ..., 0]
    heat = drawn_at(explanation.positive[None], explanation.centres, stretched(inputs.shape, inputs.shape))[0]
    found = stability(predictor, seen, reading.prediction.answer, method)
    inside = inputs > 0
    share = float(heat[inside].sum() / max(float(heat.sum()), 1e-12))
    return share, float(inside.mean()), found.holds, not reading.prediction.rejected, explanation.heatmap.shape


def main() -> None:
    """Print a row a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["alzheimer_resnet50_small", "alzheimer_lite0"])
    parser.add_argument("--method", default="grad-cam")
    parser.add_argument("--slices", type=int, default=12, help="of the samples")
    asked = parser.parse_args()
    paths = sorted(SAMPLES.glob("*.png"))[: asked.slices]
    print("| model | cells | heat inside the head (least to most) | picture inside | steady | accepted |")
    print("|---|---|---|---|---|---|")
    for model in asked.models:
        rows = [heat_of(model, path, asked.method) for path in paths]
        shares, area = np.array([row[0] for row in rows]), np.mean([row[1] for row in rows])
        cells = " × ".join(map(str, rows[0][4]))
        spread = f"{100 * shares.mean():.0f} % ({100 * shares.min():.0f} to {100 * shares.max():.0f})"
        steady, accepted = (f"{sum(row[index] for row in rows)} of {len(rows)}" for index in (2, 3))
        print(f"| {model} | {cells} | {spread} | {100 * area:.0f} % | {steady} | {accepted} |")


if __name__ == "__main__":
    main()
