"""Turns a folder of scans into a Cohort: indexed, audited and split."""

from .audit import Audit as Audit
from .audit import audit_folder as audit_folder
from .cohort import holds_volumes as holds_volumes
from .cohort import index_folder as index_folder
from .cohort import index_volumes as index_volumes
from .preprocess import volumes_from_slices as volumes_from_slices
from .split import SubjectOverlap as SubjectOverlap
from .split import read_split as read_split
from .split import split_by_folder as split_by_folder
from .split import split_by_slice as split_by_slice
from .split import split_by_subject as split_by_subject
from .split import split_hash as split_hash
from .split import subject_overlap as subject_overlap
from .split import write_folders as write_folders
from .tasks import ALZHEIMER as ALZHEIMER
from .tasks import TASKS as TASKS
from .tasks import TUMOUR as TUMOUR
from .tasks import Task as Task
from .tasks import task_of as task_of
from .volumes import volume_table as volume_table
