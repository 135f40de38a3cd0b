"""Write the pages of the reference that come from the code: command line, Python, recipes, methods, rooms.

    python -m docs.reference_pages     # `make docs` does it before it builds the site

None of it imports a network library, and none of what it writes is kept in the repository.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from core.__main__ import app
from core.cli.shared import GROUPS
from core.networks.architectures.backbones import BACKBONES
from core.networks.recipe_files import read_recipe, recipe_names

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs" / "reference"
ROOMS = ("scans", "cohorts", "networks", "training", "explain", "evaluation", "runs", "reporting", "workflows", "cli")
THEMES = {
    "core.errors": "Errors",
    "core.scans": "Scans",
    "core.cohorts": "Cohorts",
    "core.networks": "Networks",
    "core.training": "Training",
    "core.workflows": "Workflows",
    "core.evaluation": "Evaluation",
    "core.results": "Results",
}


def command_line() -> Iterator[str]:
    """Yield the page of the command line: every verb with its arguments and options, by group."""
    verbs: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    yield "# Command line\n"
    yield (
        "`stagelens`, or `python -m core`. Every command has `--help`; those that print an answer have `--json` for "
        "machines. The exit status is 0, 1 when the work failed (one line on standard error says why), 2 for bad "
        "usage, and 130 if it was stopped. Words that were renamed still work for one release and say their new name.\n"
    )
    for group in GROUPS:
        yield f"## {group}\n"
        for name, verb in verbs.items():
            if verb.rich_help_panel == group:
                yield from _verb(name, verb)


def _verb(name: str, verb: Any) -> Iterator[str]:
    arguments = [one for one in verb.params if not one.opts[0].startswith("-")]
    options = [one for one in verb.params if one.opts[0].startswith("-")]
    usage = " ".join(["stagelens", name, *map(_placeholder, arguments), *([] if not options else ["[OPTIONS]"])])
    yield f"### {name}\n\n{verb.help.strip()}\n\n```text\n{usage}\n```\n"
    yield "| | | default |\n|---|---|---|"
    for one in (*arguments, *options):
        title = _placeholder(one) if one in arguments else " / ".join((*one.opts, *one.secondary_opts))
        help_text = (one.help or "").strip().replace("|", "\\|")
        yield f"| `{title}` | {help_text}{_range(one)} | {_default(one)} |"
    yield ""


def _placeholder(argument: Any) -> str:
    text = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return text if argument.required else f"[{text}]"


def _range(parameter: Any) -> str:
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if least is None and most is None:
        return ""
    return f" At least {least}." if most is None else f" From {least} to {most}."


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value in (None, False, (), []) else f"`{str(value).lower() if value is True else value}`"


def python() -> Iterator[str]:
    """Yield the page of the public names, by the room they come from."""
    yield "# Python\n"
    yield (
        "The public names of `core`. Each is imported when it is first used, so that reading and auditing scans load "
        "no network library. [As a library](../how-to/use-as-a-library.md) shows them at work.\n"
    )
    homes = _public_names()
    for prefix, title in THEMES.items():
        names = [name for name, home in homes.items() if home.startswith(prefix)]
        yield f"## {title}\n"
        for name in sorted(names, key=str.lower):
            yield f"::: {_defined_in(homes[name], name)}.{name}\n"


def _public_names() -> dict[str, str]:
    """Return every public name with the module it comes from, as the stub of the package lists them."""
    stub = ast.parse((PROJECT / "core" / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {one.name: f"core.{node.module}" for node in imports for one in node.names}


def _defined_in(home: str, name: str) -> str:
    """Return the module in which a name that a package passes on is defined; `preprocess` is also called a module."""
    path = PROJECT / home.replace(".", "/") / "__init__.py"
    if path.is_file():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and name in {one.name for one in node.names}:
                return node.module
    return home


def recipes() -> Iterator[str]:
    """Yield the page of the recipes that are shipped, the backbones, and every setting."""
    yield "# Recipes\n"
    yield (
        "A recipe is a TOML file: backbone, size, head, phases, augmentation, what is done about rare classes. "
        "[Write a recipe](../how-to/write-a-recipe.md) says how to make one; `stagelens recipes` prints this list.\n"
    )
    yield "## Shipped\n\n| recipe | | backbone | size | starts from |\n|---|---|---|---|---|"
    for name in recipe_names():
        one = read_recipe(name)
        size = " × ".join(str(side) for side in (one.depth, one.height, one.width) if side)
        start = {"imagenet": "ImageNet", "scratch": "scratch", "file": "given weights"}[one.start]
        yield f"| `{name}` | {one.title} | {one.backbone} | {size} | {start if one.phases else '–'} |"
    yield "\n## Backbones\n\n| backbone | | weights (millions) | scans |\n|---|---|---|---|"
    for backbone in BACKBONES.values():
        kind = "volumes" if backbone.dimensions == 3 else "slices"
        yield f"| `{backbone.name}` | {backbone.title} | {backbone.parameters:g} | {kind} |"
    yield "| `pixels` | scikit-learn's classifiers on the scans themselves | – | both |"
    yield "| `tissue` | linear models of tissue maps | – | volumes |"
    yield "\n## Settings\n"
    for name in ("Recipe", "Head", "Augmentation", "Phase", "Imbalance", "Oversampling", "Classic", "Slices",
                 "Morphometry", "Covariates"):  # fmt: skip
        title = "The recipe" if name == "Recipe" else f"`[{name.lower()}]`" if name != "Phase" else "`[[phases]]`"
        yield f"### {title}\n\n::: core.networks.recipe.{name}\n    options:"
        yield "      show_root_heading: false\n      show_root_toc_entry: false\n      members: false\n"


def methods() -> Iterator[str]:
    """Yield the page of the explanation methods, read from their files without importing them."""
    yield "# Explanation methods\n"
    yield (
        "One file each, for slices and volumes, any backbone and all three backends. All differentiate logits. "
        "`stagelens methods` prints this list; [Explanations](../background/explanations.md) says what was measured of "
        "them.\n"
    )
    found = sorted(
        map(_method, (PROJECT / "core/explain/methods").glob("*/[a-z]*.py")), key=lambda one: one["priority"]
    )
    yield "| method | | source |\n|---|---|---|"
    for one in found:
        yield f"| [`{one['name']}`](#{_anchor(one['name'])}) | {one['title']} | {one['source']} |"
    for one in found:
        yield f"\n## {one['title']} {{ #{_anchor(one['name'])} }}\n\n{one['about']}\n"
        yield f"- **What it does not show:** {one['hides']}"
        if one.get("known_to_fail"):
            yield f"- **Known to fail:** {one['known_to_fail']}"
        if one["settings"]:
            yield f"- **Settings:** {', '.join(f'`{setting}`' for setting in one['settings'])}"
        if one.get("cost"):
            yield f"- **Cost:** {one['cost']}"


def _anchor(name: str) -> str:
    return name.replace("+", "-plus", 1).replace("+", "")


def _method(path: Path) -> dict[str, Any]:
    """Read a method's record from its file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    set_to = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    constants = {name: value.value for name, value in set_to.items() if isinstance(value, ast.Constant)}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    call: Any = set_to["EXPLAINER"]
    given = {one.arg: one.value for one in call.keywords if one.arg}
    compute = given["compute"]
    options = functions[compute.id].args if isinstance(compute, ast.Name) and compute.id in functions else None
    settings = []
    if options is not None:
        for argument, default in zip(options.kwonlyargs, options.kw_defaults, strict=True):
            if default is not None:
                settings.append(f"{argument.arg}={_text(default, constants) or ast.unparse(default)}")
    words = {name: _text(value, constants) for name, value in given.items()}
    return words | {
        "priority": int(words["priority"]),
        "settings": settings,
        "about": _about(ast.get_docstring(tree) or ""),
    }


def _text(node: ast.expr, constants: dict[str, Any]) -> str:
    if isinstance(node, ast.Name):
        return str(constants.get(node.id, ""))
    try:
        return str(ast.literal_eval(node))
    except ValueError:
        return ""


def _about(docstring: str) -> str:
    """Return a module's docstring with its indented formulas as blocks."""
    lines, block = [], False
    for line in docstring.splitlines():
        formula = line.startswith("    ")
        if formula != block and (formula or line.strip()):
            lines.append("```text" if formula else "```\n")
            block = formula
        lines.append(line.removeprefix("    ") if formula else line)
    return "\n".join([*lines, "```"] if block else lines)


def rooms() -> Iterator[str]:
    """Yield the page of the rooms: what each holds, from the docstrings of its modules."""
    yield "# Rooms\n"
    yield (
        "What each package of `core` holds, in its own words. [Architecture](../background/architecture.md) draws how "
        "they lean on each other.\n"
    )
    for room in ROOMS:
        folder = PROJECT / "core" / room
        yield f"## core.{room}\n\n{_first_sentence(folder / '__init__.py')}\n\n| module | |\n|---|---|"
        for path in sorted(folder.rglob("*.py")):
            if path.name == "__init__.py" and path.parent == folder:
                continue
            name = path.relative_to(folder).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
            yield f"| `{name}` | {_first_sentence(path)} |"
        yield ""


def _first_sentence(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split()).replace("|", "\\|")


PAGES = {"command-line": command_line, "python": python, "recipes": recipes, "methods": methods, "rooms": rooms}


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / f"{name}.md").write_text("\n".join(page()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
