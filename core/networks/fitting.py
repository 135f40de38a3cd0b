"""A recipe says how to train, a split what there is to tell apart: the one fitted to the other."""

from dataclasses import replace

import pandas as pd

from core.cohorts.tasks import CUSTOM, TASK_COLUMN, TASKS, task_of_table
from core.errors import CohortError, RecipeError
from core.networks.recipe import Recipe
from core.networks.titles import title_of


def recipe_for(recipe: Recipe, split: pd.DataFrame) -> Recipe:
    """Return a recipe with the classes of a split.

    Args:
        recipe: One whose classes do not fit takes those of the split, and a title that says so.
        split: A split table.

    Raises:
        RecipeError: The recipe brings classes of its own, and the split has others.
        CohortError: The split's task cannot be read, or has one class only.
    """
    own, labels = recipe.as_task(), set(split["label"])
    fits = all(map(own.class_of, labels))
    if fits and (recipe.own_task is not None or not (split.get(TASK_COLUMN, pd.Series(dtype=str)) != "").any()):
        return recipe
    task = task_of_table(split)
    if (task.classes, task.ordered, task.positive) == (own.classes, own.ordered, own.positive):
        return recipe
    if recipe.own_task is not None:
        raise RecipeError(
            f"{recipe.name} is for the classes {', '.join(own.classes)}, but the split has {', '.join(task.classes)}; "
            "change own_task in the recipe, or leave it out to take the split's."
        )
    if len(task.classes) < 2:
        raise CohortError(
            f"all scans of this split are {task.classes[0]}, and a network needs two classes or more to tell apart; "
            "give a cohort with a folder for each."
        )
    known = task.name in TASKS
    fitted = replace(recipe, task=task.name if known else CUSTOM, own_task=None if known else task)
    return replace(fitted, title=title_of(fitted))
