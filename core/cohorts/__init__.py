"""Turns a folder of scans into a Cohort: indexed, audited and split."""

from core.cohorts.audit import Audit, audit_folder
from core.cohorts.cohort import holds_volumes, index_folder, index_volumes
from core.cohorts.download import download
from core.cohorts.preprocess import preprocess, volumes_from_slices
from core.cohorts.split import (
    SubjectOverlap,
    read_split,
    split_by_folder,
    split_by_slice,
    split_by_subject,
    split_hash,
    subject_overlap,
    write_folders,
)
from core.cohorts.tasks import ALZHEIMER, TASKS, TUMOUR, Task, task_of
from core.cohorts.volumes import volume_table

__all__ = [
    "ALZHEIMER",
    "TASKS",
    "TUMOUR",
    "Audit",
    "SubjectOverlap",
    "Task",
    "audit_folder",
    "download",
    "holds_volumes",
    "index_folder",
    "index_volumes",
    "preprocess",
    "read_split",
    "split_by_folder",
    "split_by_slice",
    "split_by_subject",
    "split_hash",
    "subject_overlap",
    "task_of",
    "volume_table",
    "volumes_from_slices",
    "write_folders",
]
