"""The model card of a bundle: one Markdown text, which pages show, the shell prints and HTML is made of.

After Mitchell et al., Model Cards for Model Reporting, FAT* 2019, with the items of two reporting checklists.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from core.networks.card import Bundle
from core.reporting import checklists
from core.reporting.checklists import CHECKLISTS
from core.reporting.html import STYLE
from core.reporting.tables import METRIC_TITLES, cell
from core.reporting.text import NOTICE
from core.reporting.text.evaluation import confounder_text, uncertainty_text

ENOUGH = 0.95  # of a kind of foreign picture, refused
USERS = (
    "For people who know how such figures are made: researchers comparing methods, teachers showing what a heatmap is "
    "worth, clinicians looking on. It takes a T1 head volume, or one axial slice as it was trained on, and gives "
    "probabilities of {classes}. It must not decide, or help to decide, what happens to a patient."
)
AVAILABLE = (
    "Weights, recipe and card lie in the model's folder; `stagelens predict` calculates predictions, and the software "
    "that trained and measured it is the one that wrote this card. The epoch with the least validation loss was kept; "
    "it is one network, no ensemble."
)


def model_card(bundle: Bundle) -> str:
    """Return the model card as Markdown.

    Args:
        bundle: An opened bundle.
    """
    card = bundle.card
    sections = {
        checklists.USE: _use(card),
        checklists.DATA: _data(card),
        checklists.TRAINING: _training(card),
        checklists.METRIC_TITLES: _metrics(card),
        checklists.PUBLISHED: _published(card),
        checklists.CONFOUNDERS: _confounders(card),
        checklists.UNCERTAINTY: _block(uncertainty_text({**card, "ood": None})) if card.get("calibration") else "",
        checklists.OOD: _foreign(card),
        checklists.HEATMAPS: _heatmaps(bundle),
        checklists.FAILURES: _failures(bundle),
    }
    sections = {title: text for title, text in sections.items() if text}
    parts = [f"# {card['title']}", f"`{card['name']}` · trained {card['date']} · {card['intended_use']}"]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    parts.append(f"## What this card answers\n\n{_checklist_answers(set(sections))}")
    return "\n\n".join(parts) + "\n"


def card_page(bundle: Bundle) -> str:
    """Return the model card as one page of HTML that needs nothing else."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(model_card(bundle))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    title = escape(str(bundle.card["title"]))
    return f'<!doctype html><html lang="en"><head>{head}<title>{title}</title></head><body>{body}</body></html>'


def _use(card: dict[str, Any]) -> str:
    classes = ", ".join(str(name) for name in card["classes"])
    return f"{NOTICE} {USERS.format(classes=classes)}"


def _data(card: dict[str, Any]) -> str:
    split = card["split"]
    people = split["people"] or {}
    rows = [[name, f"{count:,}", f"{people[name]:,}" if name in people else "not known"]
            for name, count in split["images"].items()]  # fmt: skip
    said = [
        f"The classes are the folders' labels: {', '.join(map(str, card['classes']))}. All scans lay ready "
        f"(retrospective); they were split by {split['by']}, seed {split['seed']}, and read as they are, brought to "
        f"size inside the network. Fingerprint of scans and labels: `{card['data_fingerprint'][:16]}`; of the split: "
        f"`{split['hash'][:16]}`.",
        _table(["part", "scans", "people"], rows),
    ]
    if split["subject_overlap"]:
        said.append(f"**{split['subject_overlap']}**")
    elif split["people"]:
        said.append("Nobody is in two parts.")
    return "\n\n".join(said)


def _training(card: dict[str, Any]) -> str:
    recipe = card["recipe"]
    rows = [[phase["phase"], phase["trains"], phase["epochs"], phase["best"]["epoch"],
             f"{phase['best']['val_accuracy']:.3f}"] for phase in card["training"]]  # fmt: skip
    imbalance = [name for name, value in (recipe.get("imbalance") or {}).items() if value]
    shape = [recipe[side] for side in ("depth", "height", "width") if recipe.get(side)]
    versions = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    return "\n\n".join(
        [
            f"A convolutional network (deep learning), {recipe['backbone']}, {' × '.join(map(str, shape))} pixels, "
            f"seed {recipe['seed']}. Start: {card.get('start', 'not recorded')}. Against imbalance: "
            f"{', '.join(imbalance) or 'nothing'}. {AVAILABLE}",
            _table(["phase", "trains", "epochs", "best epoch", "validation accuracy"], rows),
            f"Software: {versions}.",
        ]
    )


def _metrics(card: dict[str, Any]) -> str:
    schemes = {f"by {unit}": card[f"by_{unit}"] for unit in ("subject", "slice") if card[f"by_{unit}"]}
    rows = [[title, *(cell(metrics, key) for metrics in schemes.values())] for key, title in METRIC_TITLES.items()
            if any(key in metrics for metrics in schemes.values())]  # fmt: skip
    counted = [
        f"{metrics['people']:,} people" if metrics["unit"] == "subject"
        else f"{metrics['n']:,} slices" + (f" of {metrics['people']:,} people" if card["by_subject"] else "")
        for metrics in schemes.values()
    ]  # fmt: skip
    notes = dict.fromkeys(note for metrics in schemes.values() for note in metrics["notes"])
    return "\n\n".join(
        [
            f"Measured on the {card.get('evaluated_on', 'test')} part. 95 % intervals, bootstrapped over people.",
            _table(["", *schemes], [*rows, ["counted", *counted]]),
            *([_bullets(list(notes))] if notes else []),
        ]
    )


def _published(card: dict[str, Any]) -> str:
    published = card["published_protocol"]
    if not published:
        return ""
    metrics = published["by_slice"]
    return (
        f"Split by slice at random, as most published figures are made, the same recipe reaches an accuracy of "
        f"{cell(metrics, 'accuracy')}. {published['split']['subject_overlap'] or ''} The section before this one holds the "
        "figures to quote."
    )


def _confounders(card: dict[str, Any]) -> str:
    against = card.get("confounders")
    if against is None:
        return ""
    warned = [f"**{warning[:1].upper()}{warning[1:]}**" for warning in against["warnings"]]
    return "\n\n".join([_block(confounder_text(against)), *warned])


def _foreign(card: dict[str, Any]) -> str:
    ood = card.get("ood")
    if ood is None:
        return ""
    return (
        "Scans that do not look like what it was trained on are refused before any class is named: their feature maps "
        f"lie further than {ood['limit']:.2f} from the plane of {ood['training_scans']:,} training scans, or they "
        f"look more familiar upside down.\n\n{_block(uncertainty_text({**card, 'calibration': None}))}"
    )


def _heatmaps(bundle: Bundle) -> str:
    from core.explain.checks.sanity_report import sanity_report_of

    sanity_report = sanity_report_of(bundle)
    if sanity_report is None:
        return ""
    passed = sorted(name for name, one in sanity_report.methods.items() if one.passed)
    failed = sorted(name for name, one in sanity_report.methods.items() if not one.passed)
    said = f"Maps that change when all weights are drawn anew ({sanity_report.scans}): {', '.join(passed) or 'none'}."
    return said + (f" Maps that do not, and must not be believed: {', '.join(failed)}." if failed else "")


def _failures(bundle: Bundle) -> str:
    card = bundle.card
    known = list(card["limits"])
    metrics = card["by_subject"] or card["by_slice"]
    recalls = metrics.get("recall_by_class") or {}
    known += [
        f"{name}: finds {recall:.0%} of them, fewer than half." for name, recall in recalls.items()
        if recall is not None and recall < 0.5
    ]  # fmt: skip
    ood = card.get("ood") or {}
    known += [
        f"Of pictures {kind if kind[0].islower() else kind.lower()}, only {found['rejected']:.0%} are refused."
        for kind, found in (ood.get("ood_rejection") or {}).items() if found["rejected"] < ENOUGH
    ]  # fmt: skip
    if ood:
        known.append("Left and right exchanged, or another contrast with the same shapes, may not be noticed.")
    return _bullets(known)


def _checklist_answers(sections: set[str]) -> str:
    said = []
    for checklist in CHECKLISTS:
        answered, left = checklist.answered(sections), checklist.open(sections)
        said.append(f"**{checklist.name}** ({checklist.source}): {len(answered)} of {len(checklist.items)} items.")
        said.append(_table(["item", "about", "section"], [[number, about, ", ".join(where)]
                                                          for number, about, where in answered]))  # fmt: skip
        said.append("Not answered: " + "; ".join(f"{number} {about}" for number, about in left) + ".")
    return "\n\n".join(said)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _block(text: str) -> str:
    return f"```\n{text}\n```"
