"""Grad-CAM against a plain forward pass and against tf-keras-vis, in one run.

    python benchmarks/explain.py [--rounds 15]

All use a ResNet50 with pooling and one dense layer at 224 × 224 × 3, float32. Rounds are interleaved, so that a slow
moment of the machine hits all alike; printed are medians in milliseconds per image and their ratios. The forward pass
is the one `stagelens predict` makes, compiled; Grad-CAM is the whole of `core.explain`, from scans to explanations.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

from core.explain import explainer
from core.networks.card import Bundle
from core.networks.network import build_network
from core.networks.predictor import Predictor
from core.networks.recipe import Phase, Recipe
from core.scans import Scan

SIDE, CLASS = 224, 2
GFLOP = 7.7  # of one forward pass of ResNet50 at 224 × 224
BATCHES = (1, 16)


def scans_of(grey: np.ndarray) -> list[Scan]:
    """Wrap N × H × W grey values as scans."""
    return [Scan(voxels, (0.0, 255.0), f"scan-{number}", "noise") for number, voxels in enumerate(grey)]


def flat_resnet50() -> keras.Model:
    """Build the same network flat, in colour, with softmax: the only shape that tf-keras-vis takes."""
    backbone = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, keras.layers.Dense(4, activation="softmax")(pooled))


def contestants() -> Callable[[int], dict[str, Callable[[], object]]]:
    """Return what is measured, for a batch size."""
    phase = Phase("head", 1e-3, 1, 1)
    recipe = Recipe("benchmark", "ResNet50", "alzheimer", "resnet50", SIDE, SIDE, (phase,), start="scratch")
    card = {"name": recipe.name}
    predictor = Predictor(Bundle(Path(), recipe, card), build_network(recipe))
    peer = Gradcam(flat_resnet50(), model_modifier=ReplaceToLinear(), clone=False)
    grad_cam = explainer("grad-cam").explain
    rng = np.random.default_rng(0)

    def of(batch: int) -> dict[str, Callable[[], object]]:
        grey = rng.uniform(0, 255, (batch, SIDE, SIDE)).astype(np.float32)
        scans, colour = scans_of(grey), np.repeat(grey[..., None], 3, axis=-1)
        score = CategoricalScore([CLASS] * batch)
        return {
            "forward": lambda: predictor.logits(list(grey)),
            "Grad-CAM, ours": lambda: grad_cam(predictor, scans, ["Mild Demented"] * batch),
            "Grad-CAM, tf-keras-vis": lambda: peer(score, colour, penultimate_layer="conv5_block3_out"),
        }

    return of


def matmul_gflops() -> float:
    """Measure the machine's matrix product, the floor of every forward pass."""
    a = np.random.default_rng(0).normal(size=(2048, 2048)).astype(np.float32)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - began)
    return 2 * 2048**3 / statistics.median(times) / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds a batch size")
    rounds = parser.parse_args().rounds
    of = contestants()
    gflops = matmul_gflops()
    print(f"matrix product {gflops:.0f} GFLOP/s: no forward pass below {GFLOP / gflops * 1000:.0f} ms an image")
    for batch in BATCHES:
        measured = of(batch)
        for run in (*measured.values(), *measured.values()):
            run()  # compile and warm up
        times: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(rounds):
            for name, run in measured.items():
                began = time.perf_counter()
                run()
                times[name].append((time.perf_counter() - began) / batch * 1000)
        medians = {name: statistics.median(values) for name, values in times.items()}
        print(f"batch {batch}, median of {rounds} rounds, ms an image")
        for name, value in medians.items():
            print(f"  {name:<24}{value:8.1f}   {value / medians['forward']:5.2f} × the forward pass")
        print(
            f"  ours is {medians['Grad-CAM, tf-keras-vis'] / medians['Grad-CAM, ours']:.1f} × faster than tf-keras-vis"
        )


if __name__ == "__main__":
    main()
