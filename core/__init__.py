"""StageLens as a library: the public names. Keras is loaded only when a name that needs it is used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.cohorts import audit_folder, preprocess, read_split, split_by_slice, split_by_subject
    from core.errors import StageLensError
    from core.evaluation.evaluation import evaluate_bundle
    from core.networks.card import Bundle, bundle_names, open_bundle
    from core.networks.recipe import Recipe, read_recipe
    from core.scans import Scan, read_scan, read_scan_file
    from core.scans.registration.standard_space import to_standard_space
    from core.workflows.cross_validate import CrossValidation, cross_validate
    from core.workflows.doctor import examine
    from core.workflows.pipeline import FullRun, full_run
    from core.workflows.predict import predict_scans, predictor_of, read_scans
    from core.workflows.reported_run import run_reported
    from core.workflows.train import Outcome, Request, train_bundle

_HOMES = {
    "StageLensError": "core.errors",
    "Scan": "core.scans",
    "read_scan": "core.scans",
    "read_scan_file": "core.scans",
    "to_standard_space": "core.scans.registration.standard_space",
    "audit_folder": "core.cohorts",
    "preprocess": "core.cohorts",
    "read_split": "core.cohorts",
    "split_by_subject": "core.cohorts",
    "split_by_slice": "core.cohorts",
    "Recipe": "core.networks.recipe",
    "read_recipe": "core.networks.recipe",
    "Bundle": "core.networks.card",
    "bundle_names": "core.networks.card",
    "open_bundle": "core.networks.card",
    "predictor_of": "core.workflows.predict",
    "predict_scans": "core.workflows.predict",
    "read_scans": "core.workflows.predict",
    "CrossValidation": "core.workflows.cross_validate",
    "cross_validate": "core.workflows.cross_validate",
    "examine": "core.workflows.doctor",
    "FullRun": "core.workflows.pipeline",
    "full_run": "core.workflows.pipeline",
    "run_reported": "core.workflows.reported_run",
    "Outcome": "core.workflows.train",
    "Request": "core.workflows.train",
    "train_bundle": "core.workflows.train",
    "evaluate_bundle": "core.evaluation.evaluation",
}

__all__ = [
    "Bundle",
    "CrossValidation",
    "FullRun",
    "Outcome",
    "Recipe",
    "Request",
    "Scan",
    "StageLensError",
    "audit_folder",
    "bundle_names",
    "cross_validate",
    "evaluate_bundle",
    "examine",
    "full_run",
    "open_bundle",
    "predict_scans",
    "predictor_of",
    "preprocess",
    "read_recipe",
    "read_scan",
    "read_scan_file",
    "read_scans",
    "read_split",
    "run_reported",
    "split_by_slice",
    "split_by_subject",
    "to_standard_space",
    "train_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'core' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
