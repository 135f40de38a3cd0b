"""How public sets spell classes: one ordered table a task, and how spellings are compared.

The spellings are those of the folders of the sets that are used most: the Alzheimer sets of Kaggle and Hugging Face (of
four stages, by dementia or by impairment), OASIS-1 by clinical dementia rating, ADNI's diagnoses, and the brain-tumour
sets with and without "tumor" in their names.
"""

import re

Synonyms = dict[str, tuple[str, ...]]  # class -> its other spellings, as `plain` returns them

STAGES: Synonyms = {
    "Non Demented": (
        *("non", "notdemented", "nodemented", "nondementia", "nodementia", "noimpairment", "nonimpairment"),
        *("nonimpaired", "notimpaired", "unimpaired", "normal", "healthy", "control", "controls", "healthycontrol"),
        *("healthycontrols", "normalcontrol", "cognitivelynormal", "cognitivelyunimpaired", "cn", "nc", "hc", "cdr0"),
        *("cdr00",),
    ),
    "Very Mild Demented": (
        *("verymild", "verymilddementia", "verymildlydemented", "verymildimpairment", "verymildimpaired"),
        *("verymildlyimpaired", "cdr05"),
    ),
    "Mild Demented": (
        *("mild", "milddementia", "mildlydemented", "mildimpairment", "mildimpaired", "mildlyimpaired", "cdr1"),
        *("cdr10",),
    ),
    "Moderate Demented": (
        *("moderate", "moderatedementia", "moderatelydemented", "moderateimpairment", "moderateimpaired"),
        *("moderatelyimpaired", "cdr2", "cdr20"),
    ),
}
KINDS: Synonyms = {
    "Glioma": ("gliomas", "gliomatumor", "gliomatumour", "gliomabraintumor", "brainglioma"),
    "Meningioma": ("meningiomas", "meningiomatumor", "meningiomatumour", "meningiomabraintumor", "brainmenin", "menin"),
    "No Tumour": (
        *("notumor", "notumors", "notumours", "nontumor", "nontumour", "nobraintumor", "nobraintumour", "no", "none"),
        *("normal", "healthy", "healthybrain", "normalbrain", "control", "controls", "negative"),
    ),
    "Pituitary": (
        *("pituitarytumor", "pituitarytumour", "pituitarybraintumor", "pituitaryadenoma", "pituitaryadenomas"),
        *("brainpituitary", "pituitaries"),
    ),
}
# Not the stages of the rating: who has a mild cognitive impairment is not demented. A set has the classes it has.
DIAGNOSES: Synonyms = {
    "CN": (
        *("nc", "hc", "cu", "normal", "healthy", "control", "controls", "healthycontrol", "healthycontrols"),
        *("normalcontrol", "normalcontrols", "cognitivelynormal", "cognitivelyunimpaired"),
    ),
    "SMC": ("scd", "significantmemoryconcern", "subjectivememoryconcern", "subjectivecognitivedecline"),
    "EMCI": ("earlymci", "earlymildcognitiveimpairment"),
    "MCI": ("mildcognitiveimpairment",),
    "LMCI": ("latemci", "latemildcognitiveimpairment"),
    "AD": ("alzheimer", "alzheimers", "alzheimerdisease", "alzheimersdisease"),
}
# Words that say what a folder holds, not which class: "Final AD JPEG", "glioma images"
NOISE = frozenset(
    {"final", "jpeg", "jpg", "png", "image", "images", "mri", "mr", "scan", "scans", "slice", "slices", "class"}
    | {"dataset", "patient", "patients", "subject", "subjects", "people", "group", "folder"}
)


def plain(spelling: str) -> str:
    """Return a class's name as it is compared: lower case, letters and digits of any script, without filling words.

    A number in front is the folder's place in a list, and goes where a word follows it.

    >>> plain("Very_Mild-Demented"), plain("Final AD JPEG"), plain("2. glioma_tumor"), plain("CDR 0.5"), plain("3")
    ('verymilddemented', 'ad', 'gliomatumor', 'cdr05', '3')
    """
    words = re.findall(r"[^\W_]+", spelling.casefold().replace("'", ""))
    telling = [word for word in words if word not in NOISE] or words
    if len(telling) > 1 and telling[0].isdecimal() and not telling[1].isdecimal():
        telling = telling[1:]
    return "".join(telling)


def in_order(names: set[str]) -> list[str]:
    """Sort names as people count: "2" before "10".

    >>> in_order({"10", "2", "b", "A"})
    ['2', '10', 'A', 'b']
    """
    return sorted(names, key=lambda name: ([_counted(part) for part in re.split(r"(\d+)", name) if part], name))


def _counted(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
