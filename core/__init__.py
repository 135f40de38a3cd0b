"""StageLens as a library: the public names. Keras is loaded only when a name that needs it is used."""

import importlib
from typing import TYPE_CHECKING, Any

from core.backend_choice import settled_backend

if TYPE_CHECKING:
    from core.cohorts import audit_folder, preprocess, read_split, split_by_person, split_by_slice
    from core.errors import StageLensError
    from core.networks.card import Bundle, bundle_names, open_bundle
    from core.networks.recipe import Recipe, read_recipe
    from core.scans import Scan, read_scan, read_scan_file
    from core.scans.standard_space import to_standard_space
    from core.service.cross_validation import CrossValidation, cross_validate
    from core.service.doctor import examine
    from core.service.evaluating import evaluate_bundle
    from core.service.full import FullRun, full_run
    from core.service.reading import predict_scans, predictor_of, read_scans
    from core.service.running import run_reported
    from core.service.training import Outcome, Request, train_bundle

_HOMES = {
    "StageLensError": "core.errors",
    "Scan": "core.scans",
    "read_scan": "core.scans",
    "read_scan_file": "core.scans",
    "to_standard_space": "core.scans.standard_space",
    "audit_folder": "core.cohorts",
    "preprocess": "core.cohorts",
    "read_split": "core.cohorts",
    "split_by_person": "core.cohorts",
    "split_by_slice": "core.cohorts",
    "Recipe": "core.networks.recipe",
    "read_recipe": "core.networks.recipe",
    "Bundle": "core.networks.card",
    "bundle_names": "core.networks.card",
    "open_bundle": "core.networks.card",
    "predictor_of": "core.service.reading",
    "predict_scans": "core.service.reading",
    "read_scans": "core.service.reading",
    "CrossValidation": "core.service.cross_validation",
    "cross_validate": "core.service.cross_validation",
    "examine": "core.service.doctor",
    "FullRun": "core.service.full",
    "full_run": "core.service.full",
    "run_reported": "core.service.running",
    "Outcome": "core.service.training",
    "Request": "core.service.training",
    "train_bundle": "core.service.training",
    "evaluate_bundle": "core.service.evaluating",
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
    "split_by_person",
    "split_by_slice",
    "to_standard_space",
    "train_bundle",
]


settled_backend()  # before anything here imports Keras


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'core' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
