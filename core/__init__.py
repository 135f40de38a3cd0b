"""StageLens as a library: the public names. Keras is loaded only when a name that needs it is used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.cohorts import audit_folder, preprocess, read_split, split_by_person, split_by_slice
    from core.errors import StageLensError
    from core.networks.card import Bundle, bundle_names, open_bundle
    from core.networks.recipe import Recipe, read_recipe
    from core.scans import Scan, read_scan, read_scan_file
    from core.scans.standard_space import to_standard_space
    from core.service.reading import predict_scans, predictor_of, read_scans
    from core.service.training import Request, evaluate_bundle, train_bundle

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
    "Request": "core.service.training",
    "train_bundle": "core.service.training",
    "evaluate_bundle": "core.service.training",
}

__all__ = [
    "Bundle",
    "Recipe",
    "Request",
    "Scan",
    "StageLensError",
    "audit_folder",
    "bundle_names",
    "evaluate_bundle",
    "open_bundle",
    "predict_scans",
    "predictor_of",
    "preprocess",
    "read_recipe",
    "read_scan",
    "read_scan_file",
    "read_scans",
    "read_split",
    "split_by_person",
    "split_by_slice",
    "to_standard_space",
    "train_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'core' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
