"""The same weights explained by Captum, in Keras' PyTorch backend; both optional."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from ..conftest import ROOT

SCRIPT = """
import json
import numpy as np
import torch
from captum.attr import GuidedBackprop, InputXGradient, IntegratedGradients, LayerGradCam, NoiseTunnel, Occlusion
from core.explain import explain_arrays
from core.networks.inference.submodels import split_at
from tests.explain.networks import predictor_of

predictor = predictor_of("tiny", height=64, width=48)
grey = np.random.default_rng(0).uniform(0, 255, (64, 48)).astype(np.float32)
lower, upper = split_at(predictor.network, predictor.network.target_layer)

class Lower(torch.nn.Module):
    def forward(self, x):
        return lower(x, training=False)

class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lower = Lower()
    def forward(self, x):
        return upper(self.lower(x), training=False)

whole, scan = Whole(), torch.tensor(predictor.inputs([grey])).requires_grad_(True)
apart = {}
def compare(name, ours, theirs):
    apart[name] = float(np.abs(ours - theirs).max() / np.abs(theirs).max())

classes = predictor.network.recipe.classes
for index in range(4):
    name = classes[index]
    # Captum averages over all but the first two axes: channels must be second.
    class Turned(torch.nn.Module):
        def forward(self, x):
            return lower(x, training=False).permute(0, 3, 1, 2)
    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lower = Turned()
        def forward(self, x):
            return upper(self.lower(x).permute(0, 2, 3, 1), training=False)
    both = Both()
    theirs = LayerGradCam(both, both.lower).attribute(scan, index, relu_attributions=True).detach().numpy()[0, 0]
    (ours,) = explain_arrays(predictor, [grey], [name])
    if theirs.max() > 0:
        compare(f"grad-cam {index}", ours.heatmap, theirs)
    for rule, method in (("gauss-legendre", "gausslegendre"), ("riemann", "riemann_right"),
                         ("midpoint", "riemann_middle")):
        theirs = IntegratedGradients(whole).attribute(scan, torch.zeros_like(scan), index, n_steps=12, method=method)
        (ours,) = explain_arrays(predictor, [grey], [name], "integrated-gradients", rule=rule, points=12)
        compare(f"integrated-gradients {rule} {index}", ours.heatmap, theirs.detach().numpy()[0, ..., 0])
    theirs = InputXGradient(whole).attribute(scan, index).detach().numpy()[0, ..., 0]
    (ours,) = explain_arrays(predictor, [grey], [name], "input-x-gradient")
    compare(f"input-x-gradient {index}", ours.heatmap, theirs)
    theirs = Occlusion(whole).attribute(scan, (16, 12, 1), strides=(16, 12, 1), target=index)
    theirs = theirs.detach().numpy()[0, ..., 0]
    (ours,) = explain_arrays(predictor, [grey], [name], "occlusion", patch_fraction=0.25, overlap=0)
    compare(f"occlusion {index}", ours.heatmap, theirs)
print(json.dumps(apart))
"""


@pytest.mark.slow
def test_grad_cam_integrated_gradients_and_occlusion_are_captums() -> None:
    for package in ("torch", "captum"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; see requirements-backends.txt")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert found.returncode == 0, found.stderr[-2000:]
    apart = json.loads(found.stdout.splitlines()[-1])
    assert len(apart) > 20
    # The gradients are of networks with BatchNorm folded and unfolded; see core.networks.inference.folding.
    assert {name: value for name, value in apart.items() if value > 1e-4} == {}
