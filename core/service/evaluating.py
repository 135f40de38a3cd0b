"""What a finished run said of its test people, measured: figures, calibration, confounders."""

from pathlib import Path
from typing import Any

from core.service.calibrating import calibration_of, sets_of
from core.service.confounding import People, figures_of, held_against
from core.service.run_files import logits_in, predictions_of, recipe_of_run, tested_in


def evaluate_run(run: Path, people: People | None = None, *, coverage: float = 0.9) -> dict[str, Any]:
    """Evaluate what a finished run, or a cross-validation, said of its test people.

    Returns:
        Plain values as `core.service.training.evaluate_bundle` gives them; `model` is the recipe's name. Also
        `calibration` and `prediction_sets`, as `core.service.calibrating` gives them.

    Raises:
        StageLensError: The folder holds no finished run, or as raised by `held_against`.
    """
    recipe, tables = recipe_of_run(run), predictions_of(run)
    tested = tested_in(tables)
    labels, logits = logits_in(tested, recipe)
    subjects = tested["subject"].to_numpy(str)
    against = None
    if people is not None:
        against = held_against(people, tested["path"].tolist(), labels, logits, subjects, recipe.as_task())
    return {"model": recipe.name, "part": "test", **figures_of(labels, logits, subjects, recipe.as_task()),
            "calibration": calibration_of(tables, recipe),
            "prediction_sets": sets_of(tables, recipe, coverage=coverage), "confounders": against,
            "warnings": against["warnings"] if against else []}  # fmt: skip
