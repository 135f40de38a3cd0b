"""The rows of the reproduction table: each a shipped recipe and what is changed of it, for a machine without ImageNet.

Where ImageNet's weights can be downloaded and a GPU is at hand, `--as-published` leaves every recipe as it is.
"""

from dataclasses import dataclass
from typing import Literal

Data = Literal["slices", "volumes", "tumour"]
Scheme = Literal["slice", "subject", "folder"]


@dataclass(frozen=True)
class Row:
    """One published system on one set.

    Attributes:
        name: Short name, also of its folder.
        title: The system, for people.
        published: What its authors published.
        recipe: The shipped recipe.
        data: Which set it is trained on; "volumes" are those stacked from the slices.
        schemes: How that is split, each a training of its own.
        changes: Settings changed, as for `--set`.
        differs: What differs from what was published, in words.
        starts_from: The row whose network it starts from.
        helps: Whether it is only there for others to start from, and not in the table.
    """

    name: str
    title: str
    published: str
    recipe: str
    data: Data = "slices"
    schemes: tuple[Scheme, ...] = ("slice", "subject")
    changes: tuple[str, ...] = ()
    differs: str = ""
    starts_from: str = ""
    helps: bool = False


_SMALL = ("height=112", "width=96", "batch_size=64", 'precision="mixed_bfloat16"')
_SCRATCH = ('start="scratch"', *_SMALL)
_AT_ONCE = "from scratch, 112 × 96, batches of 64"
_FALLING = ("phases.1.learning_rate=1e-3", 'phases.1.schedule="cosine"')


def _s3(backbone: str, title: str) -> Row:
    changes = (*_SCRATCH, *_FALLING, "phases.1.epochs=40", "phases.1.patience=12")
    return Row(
        f"s3_{backbone}",
        f"S3, SMOTE on {title}",
        "–",
        f"s3_{backbone}",
        changes=changes,
        differs=f"{_AT_ONCE}, 40 epochs from 1e-3 falling to nothing",
    )


def _s4(backbone: str, title: str, published: str) -> Row:
    changes = (*_SCRATCH, *_FALLING, "phases.1.patience=10")
    return Row(
        f"s4_{backbone}",
        f"S4, {title}",
        f"{published} by subject, OASIS-1",
        f"s4_{backbone}",
        changes=changes,
        differs=f"the Kaggle set in place of OASIS-1; {_AT_ONCE}, rate from 1e-3 falling to nothing",
    )


def _s4_volumes(backbone: str, title: str, published: str) -> Row:
    changes = ("depth=32", "height=104", "width=88", "slices={lowest_mm=-3, highest_mm=28}")
    return Row(
        f"s4_{backbone}",
        f"S4, {title}, volumes",
        f"{published} by subject, OASIS-1" if published else "none",
        f"s4_{backbone}",
        data="volumes",
        schemes=("subject",),
        changes=changes,
        differs="200 volumes of 32 slices in place of OASIS-1, 32 × 104 × 88 voxels",
    )


_S1_PHASES = (
    "phases=[{trains='head', learning_rate=1e-4, epochs=1, patience=1}, "
    "{trains='all', learning_rate=1e-3, schedule='cosine', epochs=40, patience=15}, "
    "{trains='all', learning_rate=3e-4, schedule='cosine', epochs=25, patience=8, augmentation={}}]"
)
_S5_PHASES = (
    "phases=[{trains='head', learning_rate=1e-3, epochs=1, patience=1}, "
    "{trains='all', learning_rate=1e-3, schedule='cosine', epochs=40, patience=40}, "
    "{trains='all', learning_rate=2e-4, schedule='cosine', epochs=10, patience=10, augmentation={}}]"
)

ROWS = (
    Row(
        "s1_resnet50",
        "S1, ResNet50 in two phases",
        "98.6 % on 1,279 slices",
        "s1_resnet50",
        changes=('start="scratch"', 'precision="mixed_bfloat16"', "batch_size=64", _S1_PHASES),
        differs="from scratch, batches of 64, 40 epochs from 1e-3 and 25 without augmentation",
    ),
    Row(
        "start_resnet50",
        "ResNet50 on the tumour set",
        "–",
        "tumour_resnet50_small",
        data="tumour",
        schemes=("folder",),
        changes=(*_SMALL, 'phases.1.schedule="cosine"', "phases.1.epochs=25", "phases.1.patience=25"),
        helps=True,
    ),
    Row(
        "s2_resnet50",
        "S2, ResNet50 with class weights",
        "95.42 % validation",
        "s2_resnet50",
        changes=('start="file"', *_SMALL, "phases.1.learning_rate=1e-3", "phases.1.patience=10"),
        differs="from a ResNet50 trained on the tumour set, 112 × 96, batches of 64, rate 1e-3",
        starts_from="start_resnet50",
    ),
    _s3("inceptionv3", "InceptionV3"),
    _s3("resnet152v2", "ResNet152V2"),
    _s3("densenet201", "DenseNet201"),
    _s4("resnet18", "ResNet18", "59.2 %"),
    _s4("resnet50", "ResNet50", "63.7 %"),
    _s4("efficientnetb0", "EfficientNetB0", "63.4 %"),
    _s4("densenet121", "DenseNet121", "60.0 %"),
    _s4_volumes("simple3dcnn", "Simple3DCNN", "68.1 %"),
    _s4_volumes("resnet3d", "ResNet3D", ""),
    _s4_volumes("resnet3d_small", "ResNet3D-Small", ""),
    Row(
        "s5_densenet121_tumour",
        "S5, DenseNet121, tumour",
        "93.89 % test",
        "s5_densenet121_tumour",
        data="tumour",
        schemes=("folder",),
        changes=('start="scratch"', 'precision="mixed_bfloat16"', "batch_size=64", _S5_PHASES),
        differs="from scratch, batches of 64, 40 epochs from 1e-3 and 10 without augmentation",
    ),
    Row(
        "s5_densenet121_alzheimer",
        "S5, DenseNet121, stage",
        "93.89 % test (both tasks)",
        "s5_densenet121_alzheimer",
        changes=('start="file"', *_SMALL, "phases.2.learning_rate=1e-3", "phases.2.epochs=30", "phases.2.patience=8"),
        differs="from the network of the row above, 112 × 96, batches of 64, second phase 30 epochs from 1e-3",
        starts_from="s5_densenet121_tumour",
    ),
)
