"""The cost of training: embeddings against the frozen network, our loop against bare steps, Keras' generators, memory.

    python benchmarks/training.py [--side 96] [--rounds 3] [--only 1 2 3 4 5] [--scale 1]

1. Phase 1 on stored embeddings against ten epochs through the frozen ResNet50: time until the same validation accuracy.
2. An epoch of our loop, from bytes in memory to logs, against bare `train_on_batch` on the same batches.
3. An epoch as in the published notebooks, with `ImageDataGenerator` and `fit`, against ours, with S1's augmentation:
   through the frozen backbone (its phase 1) and with all layers (its phase 2).
4. Peak memory of reading and training on 1,000 and on 10,000 images (Linux).
5. With a GPU: images per second of ResNet50 at 224 in bfloat16, compared with a plain PyTorch loop.

Interleaved, medians, ratios. The scans are synthetic, with a visible class; accuracy on people is not measured here.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
import pandas as pd

from core.networks.architectures.freezing import freeze_for
from core.networks.architectures.network import Network, build_network
from core.networks.backend import backend_name, compile_for_training, compile_forward, compile_model
from core.networks.devices import accelerated, device_title
from core.networks.recipe import Augmentation, Phase, Recipe
from core.networks.subset import Subset
from core.training.embeddings import EmbeddingStore
from core.training.listeners import SILENT, Silent
from core.training.phases import PhaseData, Run, _epoch, run_phase

S1 = Augmentation(rotation_degrees=15, shift=0.1, flip_horizontal=True, flip_vertical=True)
CLASSES = ("Non_Demented", "Very_Mild_Demented", "Mild_Demented", "Moderate_Demented")
BATCH = 32
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def recipe_of(side: int, phase: Phase, augmentation: Augmentation) -> Recipe:
    """Return S1's recipe at another size."""
    return Recipe(
        "benchmark",
        "ResNet50",
        "alzheimer",
        "resnet50",
        height=side,
        width=side,
        phases=(phase,),
        start="scratch",
        augmentation=augmentation,
        batch_size=BATCH,
    )


def part_of(count: int, side: int, seed: int) -> Subset:
    """Make synthetic scans whose brightness and texture depend on their class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    coarse = random.normal(80, 25, (count, 8, 8)) + 22 * labels[:, None, None]
    scans = np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in coarse])
    bytes_of = np.clip(scans, 0, 255).astype(np.uint8)[..., None]
    names = np.array([f"P{number}" for number in range(count)])
    return Subset(bytes_of, labels.astype(np.int64), names, tuple(f"{seed}-{number}" for number in range(count)))


def lively(network: Network) -> None:
    """Update BatchNorm on some scans, as random weights alone give features that are almost zero."""
    network.features.trainable = True
    scans = part_of(BATCH, network.recipe.height, 9).scans.astype(np.float32)
    for _ in range(20):
        network.features(scans, training=True)


def embeddings(side: int, scale: float) -> None:
    """Run measurement 1."""
    phase = Phase("head", 1e-3, 10, 10)
    train, val = part_of(round(640 * scale), side, 1), part_of(round(160 * scale), side, 2)
    with tempfile.TemporaryDirectory() as scratch:
        through = build_network(recipe_of(side, phase, Augmentation()), for_training=True)
        lively(through)
        head = [np.asarray(variable) for variable in through.head.weights]
        frozen, forward = Path(scratch) / "frozen", compile_forward(through)
        frozen.mkdir()
        data = PhaseData(through.whole, forward, lambda _: (train.scans, train.labels), (val.scans, val.labels))
        began = time.perf_counter()
        run_phase(Run(frozen, through, SILENT), phase, 1, data, state=None)
        slow = time.perf_counter() - began
        log = pd.read_csv(frozen / "phase1_log.csv")
        goal = float(log["val_accuracy"].max())
        for variable, value in zip(through.head.weights, head, strict=True):
            variable.assign(value)
        stored = Path(scratch) / "stored"
        stored.mkdir()
        reached: list[float] = []

        class Watching(Silent):
            def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
                if row["val_accuracy"] >= goal and not reached:
                    reached.append(time.perf_counter() - began)

        began = time.perf_counter()
        store = EmbeddingStore(stored, through)
        given, of_val = store.get(train), store.get(val)
        classifier = through.classifier
        on_embeddings = PhaseData(
            classifier, compile_model(classifier), lambda _: (given, train.labels), (of_val, val.labels)
        )
        run_phase(Run(stored, through, Watching()), phase, 1, on_embeddings, state=None)
    outcome = f"{reached[0]:.1f} s, {slow / reached[0]:.1f} x sooner (target: 8)" if reached else "not reached"
    print(f"1. frozen, ten epochs: {slow:.1f} s, validation accuracy {goal:.3f}; the same on embeddings: {outcome}")


def without_validation(network: Network, train: Subset) -> PhaseData:
    """Return the whole network with its training scans; the validation part is one scan that is not used."""
    return PhaseData(
        network.whole,
        lambda given: np.zeros((len(given), 4), np.float32),
        lambda _: (train.scans, train.labels),
        (train.scans[:1], train.labels[:1]),
    )


def interleaved(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each, run in turn in every round; the first round is a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in times.items()}


def loop(side: int, rounds: int, scale: float) -> None:
    """Run measurement 2."""
    train = part_of(max(1, round(6 * scale)) * BATCH, side, 1)
    phase = Phase("all", 1e-5, 1, 1)
    network = build_network(recipe_of(side, phase, S1), for_training=True)
    freeze_for(network, phase)
    compile_for_training(network.whole, keras.optimizers.Adam(1e-5), LOSS)
    data, run = without_validation(network, train), Run(Path(), network, SILENT)
    batches = [
        (train.scans[start : start + BATCH].astype(np.float32), train.labels[start : start + BATCH])
        for start in range(0, len(train.labels), BATCH)
    ]
    ones = np.ones(BATCH, np.float32)

    def bare() -> None:
        for scans, labels in batches:
            network.whole.train_on_batch(scans, labels, sample_weight=ones)

    taken = interleaved({"bare": bare, "ours": lambda: _epoch(run, data, 1, 0)}, rounds)
    pace = len(train.labels) / taken["ours"]
    print(
        f"2. an epoch of {len(train.labels)}: bare steps {taken['bare']:.2f} s, ours {taken['ours']:.2f} s "
        f"({pace:.1f} images/s): {taken['ours'] / taken['bare']:.3f} x (target: at most 1.1)"
    )


def generators(side: int, rounds: int, scale: float) -> None:
    """Run measurement 3."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    train = part_of(max(1, round(6 * scale)) * BATCH, side, 1)
    with tempfile.TemporaryDirectory() as scratch:
        for number, (scan, label) in enumerate(zip(train.scans, train.labels, strict=True)):
            path = Path(scratch) / CLASSES[label] / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), scan)
        generator = ImageDataGenerator(
            preprocessing_function=keras.applications.resnet50.preprocess_input,
            rotation_range=15,
            width_shift_range=0.1,
            height_shift_range=0.1,
            horizontal_flip=True,
            vertical_flip=True,
        )
        for title, phase in (("frozen", Phase("head", 1e-4, 1, 1)), ("all layers", Phase("all", 1e-5, 1, 1))):
            backbone = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(side, side, 3))
            backbone.trainable = phase.trains == "all"
            pooled = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(backbone.output))
            peer = keras.Model(backbone.input, keras.layers.Dense(4, activation="softmax")(pooled))
            peer.compile(keras.optimizers.Adam(phase.learning_rate), "categorical_crossentropy", metrics=["accuracy"])
            flow = generator.flow_from_directory(scratch, (side, side), batch_size=BATCH, class_mode="categorical")
            network = build_network(recipe_of(side, phase, S1), for_training=True)
            freeze_for(network, phase)
            compile_for_training(network.whole, keras.optimizers.Adam(phase.learning_rate), LOSS)
            own, run = without_validation(network, train), Run(Path(), network, SILENT)
            contestants = {
                "notebook": lambda model=peer, data=flow: model.fit(data, epochs=1, verbose=0),
                "ours": lambda run=run, data=own: _epoch(run, data, 1, 0),
            }
            taken = interleaved(contestants, rounds)
            print(
                f"3. {title}: ImageDataGenerator and fit {taken['notebook']:.2f} s, ours {taken['ours']:.2f} s: "
                f"{taken['notebook'] / taken['ours']:.2f} x faster (target: 1.3)"
            )


MEMORY = """
import json, re, sys
from pathlib import Path
import pandas as pd
import keras
from core.networks.architectures.backbones import UNIT_RANGE, Backbone, register
from core.networks.recipe import Phase, Recipe
from core.training.train import TrainingConfig, train
build = lambda x: keras.layers.Conv2D(4, 3, strides=8, activation="relu", name="only")(x)
register(Backbone("thin", "Thin", build, UNIT_RANGE, target_layer="only", last_block="only", parameters=0.001))
phases = (Phase("all", 1e-3, 1, 1),)
recipe = Recipe("thin", "Thin", "alzheimer", "thin", height=128, width=128, phases=phases, start="scratch")
trained = train(TrainingConfig(recipe, Path(sys.argv[1]), Path(sys.argv[2])))
images = sum(part.scans.nbytes for part in trained.parts.values())
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())  # getrusage includes the parent's
print(json.dumps([int(peak[1]) * 1024, images]))
"""


def memory(scale: float) -> None:
    """Run measurement 4."""
    peaks = {}
    counts = (round(1_000 * scale), round(10_000 * scale))
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        scan = part_of(1, 128, 1).scans[0]
        for name in CLASSES:
            (root / name).mkdir()
            cv2.imwrite(str(root / name / "scan.jpg"), scan)
        for count in counts:
            labels = [CLASSES[number % 4] for number in range(count)]
            paths = [root / label / f"{count}_{number}.jpg" for number, label in enumerate(labels)]
            for label, path in zip(labels, paths, strict=True):
                path.hardlink_to(root / label / "scan.jpg")  # a table names each file once
            table = pd.DataFrame({"path": [str(path) for path in paths]})
            table["label"] = [label.replace("_", " ") for label in labels]
            table = table.assign(subject="", slice=0, part="train", by="slice", seed=1)
            table.loc[table.index[-counts[0] // 10 :], "part"] = "val"
            table.to_csv(root / f"{count}.csv", index=False)
            command = [sys.executable, "-c", MEMORY, str(root / f"{count}.csv"), str(root / f"run{count}")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[count] = json.loads(done.stdout.splitlines()[-1])
    (few, small), (many, large) = (peaks[count] for count in counts)
    print(
        f"4. peak memory: {counts[0]:,} images {few / 1e6:.0f} MB, {counts[1]:,} images {many / 1e6:.0f} MB; the "
        f"images alone grew by {(large - small) / 1e6:.0f} MB, the total by {(many - few) / 1e6:.0f} MB"
    )


def gpu(rounds: int) -> None:
    """Run measurement 5; the plain PyTorch loop runs torchvision's ResNet50 if it is installed."""
    if not accelerated():
        print("5. no GPU available: not run")
        return
    train = part_of(16 * 64, 224, 1)
    recipe = replace(recipe_of(224, Phase("all", 1e-5, 1, 1), S1), batch_size=64)
    network = build_network(recipe, precision="mixed_bfloat16", for_training=True)
    compile_for_training(network.whole, keras.optimizers.Adam(1e-5), LOSS)
    data, run = without_validation(network, train), Run(Path(), network, SILENT)
    contestants: dict[str, Callable[[], object]] = {"ours": lambda: _epoch(run, data, 1, 0)}
    if backend_name() == "torch":
        contestants["plain PyTorch"] = plain_torch(train)
    for name, taken in interleaved(contestants, rounds).items():
        print(f"5. {name} ({backend_name()}, {device_title()}): {len(train.labels) / taken:.0f} images/s")


def plain_torch(train: Subset) -> Callable[[], None]:
    """Return an epoch of torchvision's ResNet50 in bfloat16, with data already on the GPU and no augmentation."""
    import torch
    import torchvision

    model = torchvision.models.resnet50(num_classes=4).cuda().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 1e-5)
    scans = torch.tensor(train.scans).permute(0, 3, 1, 2).repeat(1, 3, 1, 1).cuda()
    labels = torch.tensor(train.labels).cuda()

    def epoch() -> None:
        for start in range(0, len(labels), 64):
            with torch.autocast("cuda", torch.bfloat16):
                logits = model(scans[start : start + 64].float().contiguous(memory_format=torch.channels_last))
                loss = torch.nn.functional.cross_entropy(logits, labels[start : start + 64])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        torch.cuda.synchronize()

    return epoch


def main() -> None:
    """Run the chosen measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--scale", type=float, default=1, help="of the numbers of scans in 1 to 4")
    options = parser.parse_args()
    print(f"ResNet50 at {options.side} x {options.side}, batch {BATCH}, {backend_name()} on {device_title()}")
    measures: dict[int, Callable[[], None]] = {
        1: lambda: embeddings(options.side, options.scale),
        2: lambda: loop(options.side, options.rounds, options.scale),
        3: lambda: generators(options.side, options.rounds, options.scale),
        4: lambda: memory(options.scale),
        5: lambda: gpu(options.rounds),
    }
    for number in options.only:
        measures[number]()


if __name__ == "__main__":
    main()
