"""Verbs for recipes and training."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from core.cli.shared import TRAIN, AsJson, By, IdTable, Ordered, SubjectPattern, check_scheme, show, writable
from core.errors import WeightsError

commands = typer.Typer()

TrainingStage = Literal["base", "embed", "balance", "classify"]


Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: key=value, such as phases.2.epochs=3.")
]
Weights = Annotated[Path | None, typer.Option(help="Start weights: Keras .h5, or .safetensors of a bundle or timm.")]


@commands.command(rich_help_panel=TRAIN)
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a .toml file.")],
    split: Annotated[Path, typer.Option(help="Table written by split.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    weights: Weights = None,
    published: Annotated[
        Path | None, typer.Option(help="Bundle of the same recipe trained by slice, to stand beside this one.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on after the last finished epoch of the run in that folder, if there is one."
        ),
    ] = False,
    settings: Settings = None,
    stage: Annotated[TrainingStage | None, typer.Option(help="Only this, of a recipe that ends on embeddings.")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Folder of embeddings for several runs.")] = None,
    people: Annotated[
        Path | None, typer.Option(help="Table of people with their age, for recipes that ask for it.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Cross-validate by subject in so many folds; the split's parts are not used."),
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="How often the folds are drawn anew; once.")] = None,
    fold: Annotated[str | None, typer.Option(help="Only this fold, such as repeat1_fold3.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the folds; 1. The training's own is --set seed=NUMBER.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a recipe and write a bundle with its card."""
    from core.cli.progress import TrainingProgress
    from core.networks.recipe_files import read_recipe, with_settings

    given = {"--repeats": repeats, "--fold": fold, "--seed": seed}
    if folds is None and any(value is not None for value in given.values()):
        named = ", ".join(option for option, value in given.items() if value is not None)
        raise typer.BadParameter(f"{named} needs --folds; the seed of a training is --set seed=NUMBER.")
    read = with_settings(read_recipe(recipe), settings or [])
    from core.reporting.text.evaluation import folds_text
    from core.reporting.text.verdict import card_text
    from core.workflows.cross_validate import CrossValidation, cross_validate
    from core.workflows.reported_run import run_reported
    from core.workflows.train import Request

    _check_given(split, weights, published, people)
    request = Request(
        read,
        split,
        out,
        weights=weights,
        resume=resume,
        only=stage,
        embeddings=embeddings,
        people=people,
        published=published,
    )
    with TrainingProgress() as progress:
        if folds is not None:
            from core.cohorts import read_split

            how = CrossValidation(folds, 1 if repeats is None else repeats, 1 if seed is None else seed, fold)
            summary = cross_validate(request, read_split(split), how, listener=progress)
            show(summary.as_dict(), as_json, folds_text(summary))
            return
        outcome = run_reported(request, listener=progress)
    if outcome.card is None:
        show({"run": str(out), "stage": stage}, as_json, f"{out}: {stage} is done")
        return
    folder = str(outcome.bundle.folder if outcome.bundle is not None else outcome.folder)
    show({"bundle": folder, "card": outcome.card.as_dict()}, as_json, f"{card_text(outcome.card)}\n{folder}")


def _check_given(split: Path, weights: Path | None, published: Path | None, people: Path | None) -> None:
    """Find out what is missing before a queue of trainings is joined, not after it."""
    from core.cohorts import read_split
    from core.cohorts.covariates import read_subjects
    from core.networks.bundle import open_bundle

    read_split(split)
    if weights is not None and not weights.is_file():
        raise WeightsError(f"there is no file of start weights {weights}.")
    if published is not None:
        open_bundle(published)
    if people is not None:
        read_subjects(people)


@commands.command(rich_help_panel=TRAIN)
def full(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a .toml file.")],
    folder: Annotated[Path, typer.Argument(help="Slices or volumes in any layout.")],
    out: Annotated[
        Path, typer.Option(help="Folder of everything that is made; what the same request made is not made again.")
    ],
    by: By = "auto",
    ordered: Ordered = False,
    subjects: IdTable = None,
    subject_pattern: SubjectPattern = "",
    weights: Weights = None,
    settings: Settings = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Preprocess, split, train, evaluate and explain in one go; stopped anywhere, it goes on when called again."""
    from core.cli.progress import TrainingProgress
    from core.cohorts.names.people import Naming
    from core.networks.recipe_files import read_recipe, with_settings

    check_scheme(by)
    read = with_settings(read_recipe(recipe), settings or [])
    from core.reporting.text.verdict import card_text
    from core.workflows.pipeline import FullRun, full_run

    with TrainingProgress() as progress:
        naming = Naming(subject_pattern, subjects)
        wanted = FullRun(read, folder, out, by=by, weights=weights, seed=seed, ordered=ordered, naming=naming)
        made = full_run(wanted, listener=progress)
    lines = [card_text(made.card), *map(str, made.pictures), str(made.out)]
    show(made.as_dict(), as_json, "\n".join(lines))


@commands.command(rich_help_panel=TRAIN)
def weights(
    name: Annotated[str, typer.Argument(help="efficientnet-lite0, efficientnet-lite1 or efficientnet-lite2.")],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write, for train --weights.")],
    as_json: AsJson = False,
) -> None:
    """Convert ImageNet's weights from the Python package that carries them, for machines without a download."""
    from core.networks.weights.packaged import IMAGENET, LICENCE, lite_file, read_lite
    from core.networks.weights.storage import save_tensors

    if out.suffix != ".safetensors":
        raise typer.BadParameter(f"{out.name} must end in .safetensors")
    writable(out)
    tensors = read_lite(lite_file(name))
    save_tensors(out, tensors, note=f"{name}{IMAGENET} {LICENCE}")
    show({"weights": str(out), "tensors": len(tensors), "licence": LICENCE}, as_json, f"{out}\n{LICENCE}")


@commands.command(rich_help_panel=TRAIN)
def reproduce(
    row: Annotated[str, typer.Argument(help="A row of the reproduction table, all, or none for the table alone.")],
    out: Annotated[Path, typer.Option(help="Folder of all runs; what is finished in it is not run again.")],
    slices: Annotated[Path | None, typer.Option(help="The Alzheimer set, 176 × 208.")] = None,
    tumour: Annotated[Path | None, typer.Option(help="The tumour set.")] = None,
    by: Annotated[
        Literal["slice", "subject", "folder"] | None, typer.Option(help="Only this split of the row.")
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Change nothing: ImageNet's weights and full sizes.")
    ] = False,
    table: Annotated[Path | None, typer.Option(help="Page whose table is written anew from all runs in --out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run published systems as they were published, or as near as goes without ImageNet, and show the figures."""
    from core.cli.progress import TrainingProgress
    from core.reporting.text.verdict import card_text
    from core.workflows.reproduce.rows import ROWS
    from core.workflows.reproduce.runs import Reproduction, reproduce, row_called
    from core.workflows.reproduce.table import rewrite_table, table_of

    wanted = Reproduction(out, slices, tumour, as_published)
    every = {"all": ROWS, "none": ()}
    chosen = every[row] if row in every else (row_called(row),)
    made = []
    with TrainingProgress() as progress:
        for one in chosen:
            made += [(one, scheme, card) for scheme, card in reproduce(wanted, one, by=by, listener=progress)]
    if table is not None:
        rewrite_table(table, wanted)
    values = [{"row": one.name, "by": scheme, "card": card.as_dict()} for one, scheme, card in made]
    text = "\n".join(f"{one.title}, by {scheme}\n{card_text(card)}" for one, scheme, card in made)
    show(values, as_json, text or table_of(wanted))


@commands.command(rich_help_panel=TRAIN)
def recipes(
    recipe: Annotated[
        str | None, typer.Argument(help="Show all settings of this one: a shipped recipe, or a .toml file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes that are shipped, with their backbones, weights and input sizes; or show one whole."""
    from core.networks.architectures.backbones import BACKBONES
    from core.networks.recipe_files import read_recipe, recipe_names, recipe_values
    from core.runs.folder import recipe_text

    if recipe is not None:
        one = read_recipe(recipe)
        show(recipe_values(one), as_json, recipe_text(one).rstrip())
        return
    words, values = [], []
    for one in map(read_recipe, recipe_names()):
        backbone = BACKBONES.get(one.backbone)  # none for recipes on pixels or tissue
        shape = [side for side in (one.depth, one.height, one.width) if side is not None]
        size = " × ".join(map(str, shape))
        words.append(f"{one.name}: {one.title}")
        what = one.backbone if backbone is None else f"{backbone.title}, {backbone.parameters:g} million weights"
        if backbone is not None and one.start == "imagenet":
            what += " as published, with ImageNet's 1,000 classes"
        words.append(f"    {what}, input {size}, grey")
        values.append(
            {**recipe_values(one), "million_weights": backbone and backbone.parameters, "input_shape": [*shape, 1]}
        )
    show(values, as_json, "\n".join(words))
