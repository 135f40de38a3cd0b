"""From a folder to a split: whose files these are, what is missing, which scheme, and what it cannot do."""

from core.cohorts.plan.files import Files, files_of, named_audit
from core.cohorts.plan.scheme import SCHEMES, Planned, plan_split

__all__ = ["SCHEMES", "Files", "Planned", "files_of", "named_audit", "plan_split"]
