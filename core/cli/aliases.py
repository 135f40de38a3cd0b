"""Words of the command line that have changed; the old ones work for one release, and say their new name."""

import re

VERBS = {"certify": "sanity-check", "known-answer": "ground-truth"}
OPTIONS = {"--nevertheless": "--force", "--piece": "--stage"}
VALUES = {
    "--by": {"person": "subject"},
    "--check": {"cascade": "cascading-randomisation"},
}
SETTINGS = {"patch_share": "patch_fraction", "sigma_share": "sigma_fraction"}
RECIPES = {"known_answer": "synthetic_ground_truth"}


def renamed(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments of a command line in today's words, and a sentence for each word that has changed.

    >>> renamed(["predict", "a.png", "--nevertheless"])
    (['predict', 'a.png', '--force'], ['--nevertheless is called --force now.'])
    """
    new: list[str] = []
    for index, word in enumerate(arguments):
        before = arguments[index - 1] if index else ""
        option, equals, value = word.partition("=")
        if index == 0:
            new.append(VERBS.get(word, word))
        elif option in VALUES and equals:
            new.append(f"{option}={VALUES[option].get(value, value)}")
        elif before in VALUES:
            new.append(VALUES[before].get(word, word))
        elif before == "--set":
            new.append(re.sub(r"^\w+(?==)", lambda key: SETTINGS.get(key[0], key[0]), word))
        elif option in OPTIONS:
            new.append(OPTIONS[option] + equals + value)
        else:
            new.append(RECIPES.get(word, word) if arguments[0] in {"train", "full"} else word)
    said = [f"{old} is called {now} now." for old, now in zip(arguments, new, strict=True) if old != now]
    return new, said
