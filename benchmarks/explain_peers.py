"""The other libraries, each in a separate process, for `benchmarks/explain.py`.

    python benchmarks/explain_peers.py LIBRARY WEIGHTS.npz

Reads one line at a time, "WORK BATCH", runs this task once, and writes the seconds it took. All run the same ResNet50
with the same weights (Keras' layout), pooling and one dense layer, at 224 × 224 × 3, float32, from an image in memory
to a heatmap.
"""

import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SIDE, CLASS, POINTS = 224, 2, 50
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


def torch_network(weights: dict[str, np.ndarray]) -> Any:
    """Build Keras' ResNet50 in plain PyTorch (with its strides in the first 1 × 1 convolution) with these weights."""
    import torch
    from torch import nn

    def convolution(name: str, stride: int, padding: int) -> nn.Conv2d:
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        made = nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[0], stride, padding)
        made.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
        made.bias.data = torch.tensor(bias)
        return made

    def norm(name: str) -> nn.BatchNorm2d:
        made = nn.BatchNorm2d(len(weights[f"{name}/gamma"]), eps=1.001e-5)
        made.weight.data, made.bias.data = (torch.tensor(weights[f"{name}/{part}"]) for part in ("gamma", "beta"))
        made.running_mean, made.running_var = (
            torch.tensor(weights[f"{name}/moving_{part}"]) for part in ("mean", "variance")
        )
        return made

    class Block(nn.Module):
        def __init__(self, name: str, stride: int, *, shortcut: bool) -> None:
            super().__init__()
            self.one = nn.Sequential(convolution(f"{name}_1_conv", stride, 0), norm(f"{name}_1_bn"), nn.ReLU())
            self.two = nn.Sequential(convolution(f"{name}_2_conv", 1, 1), norm(f"{name}_2_bn"), nn.ReLU())
            self.three = nn.Sequential(convolution(f"{name}_3_conv", 1, 0), norm(f"{name}_3_bn"))
            self.short = (
                nn.Sequential(convolution(f"{name}_0_conv", stride, 0), norm(f"{name}_0_bn"))
                if shortcut
                else nn.Identity()
            )
            self.out = nn.ReLU()

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return self.out(self.three(self.two(self.one(x))) + self.short(x))

    blocks: list[nn.Module] = [
        nn.Sequential(convolution("conv1_conv", 2, 3), norm("conv1_bn"), nn.ReLU(), nn.ZeroPad2d(1), nn.MaxPool2d(3, 2))
    ]
    for stage, (_, count) in enumerate(STAGES, start=2):
        for block in range(1, count + 1):
            stride = 2 if stage > 2 and block == 1 else 1
            blocks.append(Block(f"conv{stage}_block{block}", stride, shortcut=block == 1))
    dense = nn.Linear(2048, 4)
    dense.weight.data, dense.bias.data = (
        torch.tensor(weights["logits/kernel"].T.copy()),
        torch.tensor(weights["logits/bias"]),
    )
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense).eval()


def in_torch(library: str, weights: dict[str, np.ndarray]) -> Callable[[str, int], object]:
    """Return a function that runs a task with Captum or pytorch-grad-cam."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    network, rng = torch_network(weights), np.random.default_rng(0)
    last = network[len(network) - 4]

    def scans(batch: int) -> "torch.Tensor":
        return torch.tensor(rng.uniform(-120, 135, (batch, 3, SIDE, SIDE)).astype(np.float32))

    if library == "pytorch-grad-cam":
        return grad_cams(network, last, scans)

    from captum.attr import InputXGradient, IntegratedGradients, LayerGradCam, Occlusion

    for parameter in network.parameters():
        parameter.requires_grad_(False)  # the fastest setting: no gradients for the weights
    cam, gradients, times = LayerGradCam(network, last), IntegratedGradients(network), InputXGradient(network)
    cover = Occlusion(network)

    def run(work: str, batch: int) -> object:
        given = scans(batch)
        if work == "forward":
            with torch.no_grad():
                return network(given)
        if work == "grad-cam":
            return cam.attribute(given, CLASS)
        if work == "input-x-gradient":
            return times.attribute(given.requires_grad_(True), CLASS)
        if work.startswith("integrated-gradients"):
            chunk = int(work.rpartition(" ")[2])
            return gradients.attribute(given, target=CLASS, n_steps=POINTS, internal_batch_size=chunk)
        if work == "occlusion":
            with torch.no_grad():
                return cover.attribute(given, (3, 45, 45), strides=(3, 22, 22), target=CLASS, perturbations_per_eval=16)
        raise ValueError(work)

    return run


def grad_cams(network: Any, last: Any, scans: Callable[[int], Any]) -> Callable[[str, int], object]:
    """Return a function that runs pytorch-grad-cam, which imports names from torchvision that are not used here."""
    transforms = {".transforms": ("Compose", "Normalize", "ToTensor"), ".transforms.functional": ("resize",)}
    for name, missing in {"": (), **transforms}.items():
        sys.modules[f"torchvision{name}"] = module = types.ModuleType(f"torchvision{name}")
        for one in missing:
            setattr(module, one, None)
    from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kinds = {
        "grad-cam": GradCAM,
        "grad-cam++": GradCAMPlusPlus,
        "hires-cam": HiResCAM,
        "layer-cam": LayerCAM,
        "eigen-cam": EigenCAM,
    }
    ready = {name: kind(model=network, target_layers=[last]) for name, kind in kinds.items()}
    target = ClassifierOutputTarget(CLASS)
    return lambda work, batch: ready[work](input_tensor=scans(batch), targets=[target] * batch)


def in_keras(weights: dict[str, np.ndarray]) -> Callable[[str, int], object]:
    """Return a function that runs a task with tf-keras-vis, or the published notebooks' loop."""
    import keras
    import tensorflow as tf
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    backbone = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    network = keras.Model(backbone.input, keras.layers.Dense(4, "softmax", name="logits")(pooled))
    for variable in network.weights:
        variable.assign(weights[variable.path])
    kinds = {"grad-cam": Gradcam, "grad-cam++": GradcamPlusPlus}
    ready = {name: kind(network, model_modifier=ReplaceToLinear(), clone=False) for name, kind in kinds.items()}
    rng = np.random.default_rng(0)

    def run(work: str, batch: int) -> object:
        given = rng.uniform(-120, 135, (batch, SIDE, SIDE, 3)).astype(np.float32)
        if work == "integrated-gradients loop":  # as on keras.io: eager, one point at a time
            total = np.zeros_like(given)
            for fraction in np.linspace(0, 1, POINTS):
                with tf.GradientTape() as tape:
                    at = tf.constant(given * fraction, tf.float32)
                    tape.watch(at)
                    score = network(at, training=False)[:, CLASS]
                total += tape.gradient(score, at).numpy()
            return total
        layer = {"penultimate_layer": "conv5_block3_out", "seek_penultimate_conv_layer": False}
        return ready[work](CategoricalScore([CLASS] * batch), given, **layer)

    return run


def main() -> None:
    """Run the tasks read from the input until it ends."""
    library, weights = sys.argv[1], dict(np.load(sys.argv[2]))
    run = in_keras(weights) if library == "tf-keras-vis" else in_torch(library, weights)
    print("ready", flush=True)
    for line in sys.stdin:
        work, _, batch = line.rstrip("\n").rpartition(" ")
        began = time.perf_counter()
        run(work, int(batch))
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
