"""The model card of a bundle: one Markdown text, which pages show, the shell prints and HTML is made of.

After Mitchell et al., Model Cards for Model Reporting, FAT* 2019, with the items of two reporting checklists.
"""

from markdown_it import MarkdownIt

from core.explain.checks.sanity_report import sanity_report_of
from core.networks.bundle import Bundle
from core.networks.card import Card
from core.networks.recipe import Recipe
from core.networks.titles import shape_of
from core.reporting.checklists import checklists
from core.reporting.tables import METRIC_TITLES, cell
from core.reporting.templates import page, rendered
from core.reporting.text import NOTICE
from core.reporting.text.evaluation import calibration_record_text, confounder_text, ood_record_text
from core.reporting.text.verdict import nearest_text, split_words, verdict
from core.words import people

ENOUGH = 0.95  # of images of a kind that should be rejected
TITLES = {
    "use": "Use",
    "data": "Data and people",
    "training": "Training",
    "metrics": "Metrics",
    "published": "Published protocol",
    "confounders": "Age, sex and site",
    "calibration": "Calibration and prediction sets",
    "ood": "Out-of-distribution scans",
    "heatmaps": "Heatmaps",
    "limits": "Known failures and limits",
}


def model_card(bundle: Bundle) -> str:
    """Return the model card as Markdown.

    Args:
        bundle: An opened bundle.
    """
    card, report = bundle.card, sanity_report_of(bundle)
    optional = {
        "published": card.published_protocol,
        "confounders": card.confounders,
        "calibration": card.calibration,
        "ood": card.ood,
        "heatmaps": report,
    }
    sections = [name for name in TITLES if optional.get(name, name) is not None]
    methods = {} if report is None else report.methods
    return rendered(
        "model_card.md.j2",
        card=card,
        sections=sections,
        notice=NOTICE,
        parts=_parts(card),
        shape=shape_of(card.recipe),
        takes=_takes(card.recipe),
        split_by=split_words(card.split),
        verdict=verdict(card),
        intervals=f"95 % intervals: {card.metrics.method}." if card.metrics.method else "",
        imbalance=_imbalance(card),
        phases=_phases(card),
        versions=", ".join(f"{name} {version}" for name, version in card.versions.items()),
        **_metrics(card),
        nearest="" if card.nearest is None else nearest_text(card.nearest),
        published_accuracy=""
        if card.published_protocol is None
        else cell(card.published_protocol.by_slice, "accuracy"),
        confounders="" if card.confounders is None else confounder_text(card.confounders),
        calibration="" if card.calibration is None else calibration_record_text(card.calibration),
        ood="" if card.ood is None else ood_record_text(card.ood, card.split),
        sanity_report=report,
        passed=sorted(name for name, one in methods.items() if one.passed),
        failed=sorted(name for name, one in methods.items() if not one.passed),
        limits=_limits(card),
        checklists=checklists(),
        answered={
            checklist.name: [
                (item.number, item.subject, ", ".join(TITLES[name] for name in item.sections if name in sections))
                for item in checklist.answered(sections)
            ]
            for checklist in checklists()
        },
    )


def card_page(bundle: Bundle) -> str:
    """Return the model card as one page of HTML that needs nothing else."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(model_card(bundle))
    return page(bundle.card.title, body)


def _parts(card: Card) -> list[tuple[str, str, str]]:
    known = card.split.people or {}
    return [
        (name, f"{count:,}", f"{known[name]:,}" if name in known else "not known")
        for name, count in card.split.images.items()
    ]


def _takes(recipe: Recipe) -> str:
    """Say what a network can be given."""
    if recipe.depth is not None:
        return "a T1 head volume, which is aligned to standard space and read whole"
    if recipe.slices is not None:
        return (
            "a T1 head volume, which is aligned to standard space and read slice by slice, or one slice of the kind it "
            "was trained on"
        )
    return "one slice of the kind it was trained on"


def _imbalance(card: Card) -> str:
    """Say what was done about rare classes; "" for nothing."""
    imbalance = card.recipe.imbalance
    done = {
        "class weights": imbalance.class_weights,
        "weighted sampling": imbalance.sampling == "weighted",
        f"focal loss (γ = {imbalance.focal_gamma:g})": imbalance.loss == "focal",
    }
    methods = [phase.oversampling.method for phase in card.recipe.phases if phase.oversampling is not None]
    return ", ".join([*(name for name, was in done.items() if was), *dict.fromkeys(methods)])


def _phases(card: Card) -> list[tuple[str, ...]]:
    return [
        (str(phase.phase), phase.trains, str(phase.epochs), str(phase.best.epoch), f"{phase.best.val_accuracy:.3f}")
        for phase in card.training
    ]


def _metrics(card: Card) -> dict[str, object]:
    units = {f"counted by {one.unit}": one for one in (card.by_subject, card.by_slice) if one is not None}
    rows = [
        [title, *(cell(metrics, key) for metrics in units.values())]
        for key, title in METRIC_TITLES.items()
        if any(key in metrics.estimates for metrics in units.values())
    ]
    counted = [
        people(metrics.people)
        if metrics.unit == "subject"
        else f"{metrics.n:,} slices" + (f" of {people(metrics.people)}" if card.by_subject else "")
        for metrics in units.values()
    ]
    notes = dict.fromkeys(note for metrics in units.values() for note in metrics.notes)
    return {"units": units, "metrics": [*rows, ["counted", *counted]], "notes": list(notes)}


def _limits(card: Card) -> list[str]:
    """Return what is known to go wrong: what the card says, and what its metrics show."""
    known = list(card.limits)
    known += [
        f"{name}: finds {100 * of_class['recall'].value:.0f} % of them, fewer than half."
        for name, of_class in card.metrics.by_class.items()
        if "recall" in of_class and of_class["recall"].value < 0.5
    ]
    if card.ood is not None:
        known += [
            f"Of images {kind if kind[0].islower() else kind.lower()}, only {100 * found.rejected:.0f} % are rejected."
            for kind, found in (card.ood.kinds or {}).items()
            if found.rejected < ENOUGH
        ]
        known.append("Left and right exchanged, or another contrast with the same shapes, may not be noticed.")
    return known
