"""Explanations compared with their own arithmetic and with other libraries, in one run.

    python benchmarks/explain.py [--rounds 9] [--scans 100] [--part NAME ...]

ResNet50 with pooling and one dense layer at 224 × 224, float32, the same weights everywhere. Rounds are interleaved, so
that slow moments of the machine affect all equally; medians in milliseconds and their ratios are printed. Ours is all
of `core.explain`, from scans to explanations with their cheap checks. Other libraries run in separate processes
(`explain_peers.py`); those that are not installed are left out: `pip install -r requirements-backends.txt` installs
Captum, `pip install --no-deps grad-cam ttach` the other.
"""

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SIDE, NAME, CLASS = 224, "Mild Demented", 2
GFLOP = 7.7  # in one forward pass of ResNet50 at 224 × 224
BATCHES = (1, 16)
CHUNKS = (10, 25, 50)
CAMS = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam", "eigen-cam")
PEERS = {"captum": "captum", "pytorch-grad-cam": "pytorch_grad_cam", "tf-keras-vis": "tf_keras_vis"}
PARTS = ("engines", "cams", "stability", "gradients", "masks", "adaptive", "memory")
Work = Callable[[], object]


class Peer:
    """Another library in a separate process."""

    def __init__(self, library: str, weights: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("explain_peers.py")), library, str(weights)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        assert self._line() == "ready"

    def seconds(self, work: str, batch: int) -> float:
        """Let it run a task once, and return how long it took by its own clock."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{work} {batch}\n")
        self._process.stdin.flush()
        return float(self._line())

    def stop(self) -> None:
        """End it."""
        self._process.kill()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def timed(work: Work) -> Callable[[], float]:
    """Return a function that runs a task once and returns the seconds it took."""

    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run


def interleaved(contestants: dict[str, Callable[[], float]], rounds: int, *, per: int = 1) -> dict[str, float]:
    """Run all in turn and return the medians in milliseconds, divided by `per`."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for run in (*contestants.values(), *contestants.values()):
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            times[name].append(run())
    return {name: statistics.median(values) / per * 1000 for name, values in times.items()}


def table(title: str, medians: dict[str, float], against: str) -> None:
    """Print medians and their ratios to one of them."""
    print(f"\n{title}")
    for name, value in medians.items():
        print(f"  {name:<44}{value:9.1f} ms  {value / medians[against]:6.2f} ×")


class Bench:
    """What all parts share: the network, scans and other libraries."""

    def __init__(self, rounds: int, scratch: Path) -> None:
        from core.networks.architectures.network import build_network
        from core.networks.bundle import Bundle
        from core.networks.card import untrained_card
        from core.networks.inference.predictor import Predictor
        from core.networks.recipe import Phase, Recipe, Slices
        from core.scans import Scan

        self.rounds = rounds
        recipe = Recipe(
            "benchmark",
            "ResNet50",
            "alzheimer",
            "resnet50",
            height=SIDE,
            width=SIDE,
            phases=(Phase("head", 1e-3, 1, 1),),
            start="scratch",
            slices=Slices(-3, 28, "mean_logit"),
        )
        self.network = build_network(recipe)
        self.predictor = Predictor(Bundle(Path("nowhere"), untrained_card(recipe)), self.network)
        self.keras = Predictor(self.predictor.bundle, self.network, engine="keras")
        rng = np.random.default_rng(0)
        images = [rng.uniform(0, 255, (SIDE, SIDE)).astype(np.float32) for _ in range(max(BATCHES))]
        self.scans = [Scan(image, (0.0, 255.0), f"scan-{n}", "noise") for n, image in enumerate(images)]
        self.inputs = self.predictor.inputs(images)
        weights = scratch / "weights.npz"
        np.savez(weights, **{v.path.removeprefix("head/"): np.asarray(v) for v in self.network.whole.weights})
        self.peers = {name: Peer(name, weights) for name, package in PEERS.items() if importlib.util.find_spec(package)}
        for name in set(PEERS) - set(self.peers):
            print(f"{name} is not installed and is left out")

    def explain(self, method: str, batch: int, **settings: object) -> Callable[[], float]:
        """Return our explanation of a batch."""
        from core.explain import explain

        return timed(lambda: explain(self.predictor, self.scans[:batch], [NAME] * batch, method, **settings))

    def forward(self, batch: int) -> Callable[[], float]:
        """Return the bare forward pass of the default engine, with inputs in memory."""
        return timed(lambda: self.predictor.logits_of(self.inputs[:batch]))

    def peer(self, library: str, work: str, batch: int) -> dict[str, Callable[[], float]]:
        """Return a task of another library, if it is installed."""
        if library not in self.peers:
            return {}
        return {f"{work}, {library}": lambda: self.peers[library].seconds(work, batch)}


def engines(bench: Bench) -> None:
    """Measure the forward pass: the default engine, TensorFlow folded and not, ONNX Runtime and OpenVINO."""
    import onnxruntime
    import tensorflow as tf

    from core.networks.inference.conversion import compile_body
    from core.networks.inference.folding import folded
    from core.networks.inference.submodels import answering

    def graph(model: Any) -> Any:
        shape = (None, SIDE, SIDE, 1)
        return tf.function(
            lambda x: model(x, training=False), input_signature=[tf.TensorSpec(shape, tf.float32, name="x")]
        )

    import tf2onnx

    plain, fast = graph(answering(bench.network)), graph(folded(answering(bench.network), bench.network))
    proto, _ = tf2onnx.convert.from_function(
        graph(folded(answering(bench.network), bench.network)),
        input_signature=[tf.TensorSpec((None, SIDE, SIDE, 1), tf.float32, name="x")],
        opset=17,
    )
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    openvino = compile_body(bench.network, engine="openvino").run
    for batch in BATCHES:
        given = bench.inputs[:batch]
        constant = tf.constant(given)
        contestants = {
            f"default engine ({bench.predictor.engine})": bench.forward(batch),
            "TensorFlow": timed(lambda c=constant: plain(c).numpy()),
            "TensorFlow, BatchNorm folded": timed(lambda c=constant: fast(c).numpy()),
            "ONNX Runtime": timed(lambda g=given: session.run(None, {session.get_inputs()[0].name: g})),
            "OpenVINO f32": timed(lambda g=given: openvino(g)),
            **bench.peer("captum", "forward", batch),
        }
        medians = interleaved(contestants, bench.rounds, per=batch)
        best = min(medians, key=medians.__getitem__)
        title = f"Forward pass, batch {batch}, per scan; ratio to the fastest (target: default within 1.15)"
        table(title, medians, best)


def cams(bench: Bench) -> None:
    """Measure class activation maps; all classes at once take one pass."""
    from core.explain.attribution import ask

    def every_class(batch: int) -> None:
        feature_maps = ask(bench.predictor, bench.inputs[:batch], np.full(batch, -1)).feature_maps
        kernel = np.asarray(bench.network.head.get_layer("logits").kernel)
        np.maximum(np.einsum("nhwk,kc->nchw", feature_maps, kernel, optimize=True) / 49, 0)

    for batch in BATCHES:
        contestants = {
            "forward": bench.forward(batch),
            "Grad-CAM, all classes at once": timed(lambda b=batch: every_class(b)),
            "grad-cam, ours (with checks)": bench.explain("grad-cam", batch),
            **bench.peer("captum", "grad-cam", batch),
        }
        for method in CAMS[1:]:
            contestants[f"{method}, ours (with checks)"] = bench.explain(method, batch)
        for library, methods in (("pytorch-grad-cam", CAMS), ("tf-keras-vis", CAMS[:2])):
            for method in methods:
                contestants |= bench.peer(library, method, batch)
        title = f"Class activation maps, batch {batch}, per scan (target: all classes within 1.05 of forward)"
        table(title, interleaved(contestants, bench.rounds, per=batch), "forward")


def stability_part(bench: Bench) -> None:
    """Measure ten noisy copies and their similarities, compared with ten forward passes of one scan."""
    from core.explain.attribution import ask
    from core.explain.checks.stability import stability

    scan, copies = bench.scans[0], 10
    original = ask(bench.predictor, bench.inputs[:1], np.array([CLASS]))

    def stable(**known: object) -> Callable[[], float]:
        options = {"kinds": ["gaussian noise"], "copies": copies, **known}
        return timed(lambda: stability(bench.predictor, scan, NAME, "grad-cam", **options))

    def ten_forward() -> None:
        for index in range(copies):
            bench.predictor.logits_of(bench.inputs[index : index + 1])

    contestants = {
        "ten forward passes, one by one": timed(ten_forward),
        "ten forward passes in one batch": bench.forward(copies),
        "stability of ten noisy copies": stable(original=original),
        "the same with the scan's own pass": stable(),
    }
    medians = interleaved(contestants, bench.rounds)
    table("Stability of Grad-CAM (target: within 1.1 of ten forward passes)", medians, "ten forward passes, one by one")


def gradients(bench: Bench) -> None:
    """Measure Integrated Gradients per point, with Captum at its best chunk, the notebooks' loop and the arithmetic."""
    classes = np.full(16, CLASS)
    contestants = {
        "forward and gradient, bare, 16 at once, per point": timed(
            lambda: bench.predictor.input_gradient(bench.inputs, classes)
        ),
    }
    bare = interleaved(contestants, bench.rounds, per=16)
    contestants = {
        "ours, fixed rule, 48 points": bench.explain("integrated-gradients", 1, rule="gauss-legendre", points=48),
        **{
            name: run
            for chunk in CHUNKS
            for name, run in bench.peer("captum", f"integrated-gradients {chunk}", 1).items()
        },
        **bench.peer("tf-keras-vis", "integrated-gradients loop", 1),
    }
    points = {name: 48 if name.startswith("ours") else 50 for name in contestants}
    found = interleaved(contestants, max(3, bench.rounds // 3))
    floor = 2 * GFLOP / matmul_gflops() * 1000
    per_point = {name: value / points[name] for name, value in found.items()}
    medians = {"arithmetic: that of two forward passes": floor, **bare, **per_point}
    title = "Integrated Gradients, per point (target: Captum / ours 1.2, loop / ours 5, ours / arithmetic 1.25)"
    table(title, medians, "ours, fixed rule, 48 points")
    contestants = {
        "input-x-gradient, ours": bench.explain("input-x-gradient", 16),
        **bench.peer("captum", "input-x-gradient", 16),
    }
    medians = interleaved(contestants, bench.rounds, per=16)
    table("Input × Gradient, batch 16, per scan", medians, "input-x-gradient, ours")


def masks(bench: Bench) -> None:
    """Measure Score-CAM, RISE and occlusion, compared with the bare forward passes they consist of."""
    from core.explain.methods.perturbation.occlusion import patches

    count = len(patches((SIDE, SIDE), 0.2, 0.5)[0])
    every = np.repeat(bench.inputs, 8, axis=0)  # 128 scans

    def bare(passes: int) -> Callable[[], float]:
        return timed(lambda: bench.predictor.logits_of(every[:passes]))

    contestants = {
        "128 forward passes": bare(128),
        "Score-CAM, 128 channels": bench.explain("score-cam", 1, channels=128),
        "RISE, 128 masks": bench.explain("rise", 1, masks=128),
        f"{count} forward passes": bare(count),
        f"Occlusion, {count} patches": bench.explain("occlusion", 1),
        **bench.peer("captum", "occlusion", 1),
    }
    medians = interleaved(contestants, max(3, bench.rounds // 3))
    table("Masking (target: within 1.15 of their forward passes)", medians, "128 forward passes")
    own = medians[f"Occlusion, {count} patches"]
    print(f"  occlusion / its passes {own / medians[f'{count} forward passes']:.2f} ×")


def adaptive(bench: Bench, scans: int) -> None:
    """Count the points the adaptive rule needs for a completeness error below 1 %, with the shipped bundle."""
    from core.cohorts.synthetic.cohort import synthetic_slices
    from core.explain import explain_arrays
    from core.networks.bundle import open_bundle
    from core.networks.inference.loading import load_predictor

    predictor = load_predictor(open_bundle())
    images = [one.grey.astype(np.float32) for one in synthetic_slices("ventricles", -(-scans // 4))][:scans]
    found = explain_arrays(predictor, images, [None] * len(images), "integrated-gradients", points=512)
    points = np.array([one.checks["points"] for one in found])
    errors = np.array([one.checks["completeness_error"] for one in found], float)
    print(f"\nAdaptive Integrated Gradients, {predictor.bundle.name}, {len(images)} synthetic slices, error below 1 %")
    quantiles = np.percentile(points, [0, 25, 50, 75, 90, 100]).round().astype(int)
    print("  points: least {}, quarter {}, median {}, three quarters {}, 90 % {}, most {}".format(*quantiles))
    print(f"  complete: {(errors < 0.01).sum()} of {len(errors)}; worst error {np.nanmax(errors):.2%}")
    settings = {"rule": "gauss-legendre", "points": 50}
    first = images[:10]
    fixed = explain_arrays(predictor, first, [None] * len(first), "integrated-gradients", **settings)
    median = np.median([one.checks["completeness_error"] for one in fixed])
    print(f"  Gauss–Legendre with 50 points, first ten scans: median error {median:.2%}")


def memory() -> None:
    """Print the peak memory of each method, each in a separate process."""
    script = """
import sys, numpy as np
from pathlib import Path
from core.explain import explain_arrays
from core.networks.bundle import Bundle
from core.networks.card import untrained_card
from core.networks.architectures.network import build_network
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Phase, Recipe, Slices
method, backbone, settings = sys.argv[1], sys.argv[2], eval(sys.argv[3])
side, depth = (128, 128) if "3d" in backbone else (224, None)
slices = None if depth else Slices(-3, 28, "mean_logit")
recipe = Recipe("m", "m", "alzheimer", backbone, height=side, width=side, depth=depth, start="scratch", slices=slices,
                phases=(Phase("head", 1e-3, 1, 1),))
predictor = Predictor(Bundle(Path("x"), untrained_card(recipe)), build_network(recipe))
shape = (side, side) if depth is None else (depth, side, side)
grey = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
explain_arrays(predictor, [grey], [None], method, heights_mm=[12.0], **settings)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""
    slices = [
        ("grad-cam", {}),
        ("score-cam", {"channels": 64}),
        ("integrated-gradients", {"points": 256}),
        ("integrated-gradients", {"rule": "gauss-legendre", "points": 512}),
        ("smoothgrad", {"copies": 128}),
        ("rise", {"masks": 256}),
        ("occlusion", {}),
        ("guided-backprop", {}),
    ]
    volumes = [
        ("grad-cam", {}),
        ("integrated-gradients", {"points": 16}),
        ("integrated-gradients", {"rule": "gauss-legendre", "points": 24}),
        ("rise", {"masks": 8}),
    ]
    print("\nPeak memory of a fresh process, MiB (target: 1,536 at 224 × 224, 6,144 at 128 × 128 × 128)")
    for backbone, chosen in (("resnet50", slices), ("resnet3d", volumes)):
        for method, settings in chosen:
            command = [sys.executable, "-c", script, method, backbone, repr(settings)]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"  {backbone:<10}{method:<22}{settings!s:<46}{int(found.stdout.split()[-1]):>7,}")


def matmul_gflops() -> float:
    """Measure the machine's matrix product, the lower bound for every pass."""
    a = np.random.default_rng(0).normal(size=(2048, 2048)).astype(np.float32)
    return 2 * 2048**3 / (interleaved({"product": timed(lambda: a @ a)}, 9)["product"] / 1000) / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="number of interleaved rounds")
    parser.add_argument("--scans", type=int, default=100, help="number of scans for the adaptive rule")
    parser.add_argument("--part", nargs="*", choices=PARTS, default=list(PARTS))
    chosen = parser.parse_args()
    if "memory" in chosen.part:
        memory()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(chosen.rounds, Path(scratch))
        gflops = matmul_gflops()
        print(f"\nmatrix product {gflops:.0f} GFLOP/s: no forward pass below {GFLOP / gflops * 1000:.0f} ms per scan")
        parts = {"engines": engines, "cams": cams, "stability": stability_part, "gradients": gradients, "masks": masks}
        for name, part in parts.items():
            if name in chosen.part:
                part(bench)
        for peer in bench.peers.values():
            peer.stop()
        if "adaptive" in chosen.part:
            adaptive(bench, chosen.scans)
    print(f"\npeak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
