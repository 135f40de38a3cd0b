"""Verbs for heatmaps and for what is known about them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.batch import Batch
from core.cli.explained_part import Asked, explain_split, refuse_given
from core.cli.shared import EXPLAIN, Age, AsJson, Flip, Force, Model, Page, show
from core.errors import NoHead, OutOfDistribution, StageLensError
from core.files import write_table

if TYPE_CHECKING:
    from core.networks.bundle import Bundle
    from core.networks.inference.predictor import Predictor
    from core.scans import Scan

commands = typer.Typer()

# What stands in the sentences of methods where they are not yet of a class, a network and a setting.
IN_GENERAL = {"class_name": "the class", "layer": "the layer", "cells": "coarse", "of": "logit", "copies": "several",
              "masks": "many", "baseline": "the baseline"}  # fmt: skip
CHECKS = ("stability", "faithfulness", "cascading-randomisation")


@commands.command(rich_help_panel=EXPLAIN)
def explain(
    out: Annotated[Path, typer.Option(help="Folder for the pictures, named as the scans are.")],
    scan: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures, volumes, DICOM or zip files, or folders of any number of them."),
    ] = None,
    split: Annotated[Path | None, typer.Option(help="Explain a part of this table instead, as a whole.")] = None,
    part: Annotated[str, typer.Option(help="Of --split: train, val or test.")] = "test",
    at_most: Annotated[
        int | None, typer.Option(min=1, help="Of --split: so many scans, drawn evenly from classes and people.")
    ] = None,
    model: Model = None,
    method: Annotated[
        str | None,
        typer.Option(help="One of those that `stagelens methods` lists; Grad-CAM if left out, or the model's own."),
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class to explain; the predicted one if left out.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the method: key=value, such as baseline=blurred.")
    ] = None,
    checks: Annotated[
        list[str] | None, typer.Option("--check", help=f"A costly check: {', '.join(CHECKS)}; may be repeated.")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="A further method for the same slice and class; may be repeated.")
    ] = None,
    height: Annotated[float | None, typer.Option(help="Of a picture, in mm above the AC–PC line.")] = None,
    opacity: Annotated[float, typer.Option(min=0, max=1, help="Of the heatmap over the scan.")] = 0.5,
    page: Page = None,
    flip: Flip = False,
    age: Age = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Show where the evidence lies, with how far to believe it: overlay (PNG), raw heatmap (NPY, NIfTI of a volume).

    Of a part of a split: a table, examples, and the mean heatmap of each class.
    """
    from core.networks.bundle import open_bundle

    if (scan is None) == (split is None):
        raise typer.BadParameter("give scans, or a table of them with --split", param_hint="SCAN")
    unknown = [name for name in checks or [] if name not in CHECKS]
    if unknown:
        raise StageLensError(f"there is no check {unknown[0]!r}; known are {', '.join(CHECKS)}.")
    chosen, opened = read_settings(settings or []), open_bundle(model)
    method = method or opened.recipe.heatmap
    if split is not None:
        given = {"--page": page, "--flip": flip, "--compare": compare, "--height": height, "--force": force}
        refuse_given({**given, "--age": age})
        asked = Asked(split, part, method, class_name, tuple(checks or ()), at_most, chosen)
        explain_split(opened, asked, out, as_json=as_json)
        return
    wanted = _Wanted(class_name, method, chosen, checks or [], compare or [], height, opacity, force, age)
    batch = Batch(scan or [], page, flip=flip)
    _explain_scans(opened, batch, out, wanted, as_json=as_json)
    raise typer.Exit(1 if batch.failed else 0)


@dataclass(frozen=True)
class _Wanted:
    """What was asked for of each scan."""

    class_name: str | None
    method: str
    settings: dict[str, Any]
    checks: list[str]
    compare: list[str]
    height: float | None
    opacity: float
    force: bool
    age: float | None


def _explain_scans(opened: "Bundle", batch: Batch, out: Path, wanted: _Wanted, *, as_json: bool) -> None:
    """Explain scans one after the other; print what is found of one, or a summary of many."""
    answers, names = [], []
    if batch.scans:
        from core.explain import explainer
        from core.explain.targets import class_indices
        from core.workflows.predict import predictor_of

        for name in wanted.compare:
            explainer(name)
        explainer(wanted.method).checked_settings(wanted.settings)
        class_indices(opened.recipe, [wanted.class_name])
        predictor = predictor_of(opened.folder).for_age(wanted.age)
        for found, read in batch.read():
            try:
                answer, lines = _explained(read, found.name, predictor, out, wanted)
            except StageLensError as error:
                batch.refuse(type(error)(f"{found.shown}: {error}") if len(batch.scans) > 1 else error)
                continue
            answers.append({"scan": found.shown, **answer})
            names.append(found.name)
            if len(batch.scans) == 1:
                show(answers[0], as_json, "\n".join(lines))
    if len(batch.scans) > 1:
        show(answers, as_json, _summed_up(answers, names, out, batch) if answers else "")


def _explained(
    read: "Scan", name: str, predictor: "Predictor", out: Path, wanted: _Wanted
) -> tuple[dict[str, Any], list[str]]:
    """Explain one scan and write its files; return its values for machines, and its lines for people."""
    from core.explain import explainer
    from core.reporting.pictures.overlays import save_check, save_comparison, save_pictures
    from core.reporting.text.predictions import ood_text
    from core.workflows.explain.study import study
    from core.workflows.predict import read_scans, standard_head

    class_name, method, height = wanted.class_name, wanted.method, wanted.height
    try:
        (reading,) = read_scans(
            [read], predictor, class_name=class_name, method=method, height_mm=height, **wanted.settings
        )
    except NoHead as error:
        check = save_check(standard_head(read), out, name)
        raise NoHead(f"{error} The picture before and after is {check}.") from error
    if reading.prediction.rejected and not wanted.force:
        assert reading.prediction.ood is not None  # noqa: S101 - it is what rejects
        said = ood_text(reading.prediction.ood.as_dict())
        raise OutOfDistribution(f"{said} --force with --class explains a class anyway.")
    if reading.prediction.rejected and class_name is None:
        raise OutOfDistribution(
            "a scan that is rejected has no predicted class; name the class to explain with --class."
        )
    found = study(
        reading, predictor, checks=wanted.checks, compare=wanted.compare, settings=wanted.settings, height_mm=height
    )
    files = save_pictures(found.reading, out, name, opacity=wanted.opacity)
    if found.others:
        files["comparison"] = save_comparison(found.reading, found.others, out, name)
    explanation = found.reading.explanation
    answer = {
        **found.reading.as_dict(force=wanted.force),
        **explanation.as_dict(),
        "sentence": explanation.sentence,
        "does_not_show": explainer(method).hides,
        **found.as_dict(),
        "files": {kind: str(path) for kind, path in files.items()},
    }
    lines = [explanation.sentence, explainer(method).hides]
    if found.stability is not None:
        lines.append(f"Stability: {found.stability.verdict}")
    if found.faithfulness is not None:
        deletion, insertion = found.faithfulness.deletion, found.faithfulness.insertion
        lines.append(
            f"Deletion AUC {deletion.auc:.3f} (random {deletion.random_aucs.mean():.3f}), insertion AUC "
            f"{insertion.auc:.3f} (random {insertion.random_aucs.mean():.3f})"
        )
    lines += [f"{explainer(one).title}: {said}" for one, said in found.agreements().items()]
    lines += [*(f"Note: {warning}" for warning in reading.warnings), *map(str, files.values())]
    return answer, lines


def _summed_up(answers: list[dict[str, Any]], names: list[str], out: Path, batch: Batch) -> str:
    """Write a table of many explained scans, and say in a line what came of them."""
    from core.reporting.text.predictions import prediction_table, summary_text

    table = prediction_table(answers, names).assign(
        explained_class=[answer["class"] for answer in answers],
        method=[answer["method"] for answer in answers],
        failed_checks=["; ".join(answer["failed_checks"]) for answer in answers],
        overlay=[answer["files"].get("overlay", "") for answer in answers],
    )
    path = out / "explanations.csv"
    write_table(path, table)
    said = summary_text(answers, failed=batch.failed, passed_over=batch.passed_over)
    return f"{said}\npictures in {out}, with {path.name}"


@commands.command(rich_help_panel=EXPLAIN)
def methods(as_json: AsJson = False) -> None:
    """List the explanation methods: what each shows, what it does not, what it costs, and its settings."""
    from core.explain import explainers

    found: list[dict[str, Any]] = [
        {
            "name": one.name,
            "title": one.title,
            "source": one.source,
            "cost": one.cost,
            "shows": one.shows,
            "does_not_show": one.hides,
            "known_to_fail": one.known_to_fail or None,
            "settings": {key: list(it) if isinstance(it, tuple) else it for key, it in one.defaults.items()},
        }
        for one in (*explainers(), *explainers(morphometric=True))
    ]
    words = []
    for one in found:
        settings = ", ".join(f"{key}={value}" for key, value in one["settings"].items())
        words.append(f"{one['name']:<22}{one['title']} ({one['source']}); {one['cost']}")
        words.append(f"{'':<22}{one['shows'].format_map(_InGeneral(IN_GENERAL))}")
        words.append(f"{'':<22}{one['does_not_show']}")
        if settings:
            words.append(f"{'':<22}settings: {settings}")
        if one["known_to_fail"]:
            words.append(f"{'':<22}KNOWN TO FAIL: {one['known_to_fail']}")
    show(found, as_json, "\n".join(words))


@commands.command("sanity-check", rich_help_panel=EXPLAIN)
def sanity_check(
    bundle: Annotated[
        str | None, typer.Argument(help="Name or folder of a bundle; the default one if left out.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Only this method; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check once which methods depend on a bundle's weights, and keep the report beside its card."""
    from core.networks.bundle import open_bundle

    opened = open_bundle(bundle)
    from core.workflows.explain.bundle_check import check_bundle
    from core.workflows.predict import predictor_of

    said = (lambda sentence: None) if as_json else (lambda sentence: print(sentence, flush=True))
    found, path = check_bundle(predictor_of(opened.folder), methods=method or (), say=said)
    of_methods = {name: one.as_dict() for name, one in found.methods.items()}
    values = {"weights": found.weights, "scans": found.scans, "methods": of_methods, "file": str(path)}
    show(values, as_json, f"written to {path}")


@commands.command("ground-truth", rich_help_panel=EXPLAIN)
def ground_truth_benchmark(
    change: Annotated[str, typer.Argument(help="ventricles, cortex, hippocampus, surface or shortcut.")],
    out: Annotated[Path, typer.Option(help="New folder for the cohort, the run and the result.")],
    people: Annotated[int, typer.Option(min=10, help="Synthetic people; every other one is changed.")] = 80,
    method: Annotated[list[str] | None, typer.Option(help="Only this method; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change synthetic brains in a known region, train on them, and score every method against the truth."""
    from core.workflows.ground_truth import ground_truth_benchmark as run

    said = (lambda sentence: None) if as_json else (lambda sentence: print(f"… {sentence}", flush=True))
    values = run(change, out, people=people, methods=method or (), say=said).as_dict()
    lines = [
        f"{values['title']}: accuracy {values['accuracy']:.3f} on unseen people; an even map would score "
        f"{values['changed_fraction']:.3f} everywhere",
        f"{'method':<24}{'peak inside':>12}{'mass':>8}{'rank':>8}",
        *(
            f"{one['title']:<24}{one['pointing']:>12.2f}{one['mass']:>8.2f}{one['rank']:>8.2f}"
            for one in values["methods"]
        ),
    ]
    show(values, as_json, "\n".join(lines))


class _InGeneral(dict[str, str]):
    """Words for what a sentence leaves open; what nobody thought of by its own name."""

    def __missing__(self, name: str) -> str:
        return f"its {name.replace('_', ' ')}"


def read_settings(given: list[str]) -> dict[str, Any]:
    """Turn key=value into settings; values are JSON where they can be, else text; commas make a list for `layers`.

    Raises:
        StageLensError: There is no "=".
    """
    found: dict[str, Any] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals:
            raise StageLensError(f"--set {one}: give key=value, such as baseline=blurred.")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
        if key == "layers" and isinstance(found[key], str):
            found[key] = tuple(found[key].split(","))
    return found
