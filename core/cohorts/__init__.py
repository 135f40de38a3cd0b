"""A folder becomes a Cohort here: indexed, audited, split."""

from core.cohorts.audit import Audit, audit_folder
from core.cohorts.cohort import index_folder, index_volumes
from core.cohorts.download import download
from core.cohorts.preprocess import preprocess, volumes_from_slices
from core.cohorts.split import (
    Tearing,
    read_split,
    split_by_person,
    split_by_slice,
    split_hash,
    tearing,
    write_folders,
)
from core.cohorts.tasks import ALZHEIMER, TASKS, TUMOUR, Task, task_of

__all__ = [
    "ALZHEIMER",
    "TASKS",
    "TUMOUR",
    "Audit",
    "Task",
    "Tearing",
    "audit_folder",
    "download",
    "index_folder",
    "index_volumes",
    "preprocess",
    "read_split",
    "split_by_person",
    "split_by_slice",
    "split_hash",
    "task_of",
    "tearing",
    "volumes_from_slices",
    "write_folders",
]
