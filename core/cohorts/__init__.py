"""A folder becomes a Cohort here: indexed, audited, split."""

from core.cohorts.audit import Audit, audit_folder
from core.cohorts.cohort import index_folder
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
    "index_folder",
    "read_split",
    "split_by_person",
    "split_by_slice",
    "split_hash",
    "task_of",
    "tearing",
    "write_folders",
]
