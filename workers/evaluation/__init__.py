"""How good the rules of `models/formulas/stuck` are, against marks that experts made or students who know.

Nothing here is used by the live room; it only asks the same functions the same questions, moment by moment.
"""

from workers.evaluation.reading import UnreadableData, read_fitech
from workers.evaluation.report import report_on_marks, report_on_simulation

__all__ = ["FORMATS", "UnreadableData", "read_fitech", "report_on_marks", "report_on_simulation"]

FORMATS = {"fitech": read_fitech}
