"""Bringing projections up to date: fold what is new, recalculate from the start (domain 6 to 8).

Lock order: heads by learner, then own rows, then shared rows table by table in the order of `SHARED`, ascending key.
"""

from models.projections.folding import BATCH, BrokenStream, Changed, fold, fold_all, folded, users_behind
from models.projections.recalculation import (
    find_broken_streams,
    recalculate_learner,
    recalculate_reports,
    recalculate_shared,
)
from models.projections.shared import PAGE, SHARED

__all__ = [
    "BATCH",
    "PAGE",
    "SHARED",
    "BrokenStream",
    "Changed",
    "find_broken_streams",
    "fold",
    "fold_all",
    "folded",
    "recalculate_learner",
    "recalculate_reports",
    "recalculate_shared",
    "users_behind",
]
