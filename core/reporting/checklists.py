"""Which items of two reporting checklists a model card answers, and where; items are named in our own words.

CLAIM: Tejani et al., Checklist for Artificial Intelligence in Medical Imaging, 2024 update, Radiology: Artificial
Intelligence 6:e240300. TRIPOD+AI: Collins et al., BMJ 2024;385:e078378, table 2. What a card cannot know (ethics,
funding, protocols) is listed as not answered, not left out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Checklist:
    """A published checklist.

    Attributes:
        name: Its name.
        source: Where it was published.
        items: Number and subject of each item, and the sections of a model card that answer it; none for items that a
            card cannot answer.
    """

    name: str
    source: str
    items: tuple[tuple[str, str, tuple[str, ...]], ...]

    def answered(self, sections: set[str]) -> list[tuple[str, str, list[str]]]:
        """Return number, subject and sections of the items that a card with these sections answers."""
        found = [
            (number, subject, [name for name in where if name in sections]) for number, subject, where in self.items
        ]
        return [item for item in found if item[2]]

    def open(self, sections: set[str]) -> list[tuple[str, str]]:
        """Return number and subject of the items that it does not answer."""
        return [(number, subject) for number, subject, where in self.items if not set(where) & sections]


USE, DATA, TRAINING, METRIC_TITLES, PUBLISHED = "Use", "Data and people", "Training", "Figures", "Published protocol"
CONFOUNDERS, UNCERTAINTY, OOD = "Age, sex and site", "Calibration and sets", "Foreign scans"
HEATMAPS, FAILURES = "Heatmaps", "Known failures and limits"

CLAIM = Checklist(
    "CLAIM 2024",
    "Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300",
    (
        ("1", "named as AI, with its kind", (TRAINING,)),
        ("2", "summary", ()),
        ("3", "background and intended role", (USE,)),
        ("4", "aims and hypotheses", ()),
        ("5", "prospective or retrospective", (DATA,)),
        ("6", "goal of the study", (USE,)),
        ("7", "sources of data", (DATA,)),
        ("8", "who was included", ()),
        ("9", "preprocessing", (DATA,)),
        ("10", "selection of subsets", ()),
        ("11", "de-identification", ()),
        ("12", "missing data", ()),
        ("13", "how images were acquired", ()),
        ("14", "reference standard", (DATA,)),
        ("15", "why this standard", ()),
        ("16", "who annotated", ()),
        ("17", "annotation of the test set", ()),
        ("18", "agreement of annotators", ()),
        ("19", "how parts were assigned", (DATA,)),
        ("20", "level at which parts are disjoint", (DATA,)),
        ("21", "intended sample size", ()),
        ("22", "the model in detail", (TRAINING,)),
        ("23", "software", (TRAINING,)),
        ("24", "initial weights", (TRAINING,)),
        ("25", "training", (TRAINING,)),
        ("26", "choice of the final model", (TRAINING,)),
        ("27", "ensembles", (TRAINING,)),
        ("28", "metrics", (METRIC_TITLES,)),
        ("29", "uncertainty", (METRIC_TITLES,)),
        ("30", "robustness", (CONFOUNDERS, OOD)),
        ("31", "explainability and its validation", (HEATMAPS,)),
        ("32", "internal evaluation", (METRIC_TITLES,)),
        ("33", "external testing", ()),
        ("34", "trial registration", ()),
        ("35", "numbers included and excluded", (DATA,)),
        ("36", "demographics of the parts", ()),
        ("37", "performance with uncertainty", (METRIC_TITLES,)),
        ("38", "diagnostic performance and its precision", (METRIC_TITLES,)),
        ("39", "analysis of failures", (FAILURES,)),
        ("40", "limitations", (FAILURES,)),
        ("41", "implications, intended use", (USE,)),
        ("42", "full protocol or technical details", (TRAINING,)),
        ("43", "availability of software, model, data", (TRAINING,)),
        ("44", "funding", ()),
    ),
)
TRIPOD_AI = Checklist(
    "TRIPOD+AI",
    "Collins et al., BMJ 2024;385:e078378",
    (
        ("1", "title", (USE,)),
        ("2", "abstract", ()),
        ("3a", "healthcare context, existing models", ()),
        ("3b", "target population, purpose, users", (USE,)),
        ("3c", "known health inequalities", ()),
        ("4", "objectives", ()),
        ("5a", "sources of data", (DATA,)),
        ("5b", "dates", ()),
        ("6a", "setting, centres", ()),
        ("6b", "eligibility", ()),
        ("6c", "treatments", ()),
        ("7", "preparation and quality of data", (DATA,)),
        ("8a", "outcome", (DATA,)),
        ("8b", "assessors of the outcome", ()),
        ("8c", "blinding of the outcome", ()),
        ("9a", "choice of predictors", (TRAINING,)),
        ("9b", "definition of predictors", (DATA,)),
        ("9c", "assessors of predictors", ()),
        ("10", "sample size", ()),
        ("11", "missing data", ()),
        ("12a", "how data were used, parts", (DATA,)),
        ("12b", "handling of predictors", (TRAINING,)),
        ("12c", "type and building of the model", (TRAINING,)),
        ("12d", "heterogeneity across clusters", ()),
        ("12e", "measures of performance", (METRIC_TITLES, UNCERTAINTY)),
        ("12f", "recalibration", (UNCERTAINTY,)),
        ("12g", "how predictions are calculated", (TRAINING,)),
        ("13", "class imbalance", (TRAINING,)),
        ("14", "fairness", ()),
        ("15", "output and thresholds", (UNCERTAINTY,)),
        ("16", "training against evaluation data", (DATA,)),
        ("17", "ethical approval", ()),
        ("18a", "funding", ()),
        ("18b", "conflicts of interest", ()),
        ("18c", "protocol", ()),
        ("18d", "registration", ()),
        ("18e", "availability of data", ()),
        ("18f", "availability of code", (TRAINING,)),
        ("19", "patient and public involvement", ()),
        ("20a", "flow of participants", (DATA,)),
        ("20b", "characteristics of participants", ()),
        ("20c", "evaluation against development data", ()),
        ("21", "participants and outcomes in each analysis", (DATA,)),
        ("22", "the full model", (TRAINING,)),
        ("23a", "performance with intervals, subgroups", (METRIC_TITLES, CONFOUNDERS)),
        ("23b", "heterogeneity in performance", ()),
        ("24", "results of recalibration", (UNCERTAINTY,)),
        ("25", "interpretation", ()),
        ("26", "limitations", (FAILURES,)),
        ("27a", "poor or missing input", (OOD,)),
        ("27b", "what users must do and know", (USE,)),
        ("27c", "next steps", ()),
    ),
)
CHECKLISTS = (CLAIM, TRIPOD_AI)
