"""The simulated class as histories: its students know when they are stuck."""

from models.formulas.stuck import STEP_KINDS, Step
from monitoring.rows import runs_of
from workers.evaluation.watching import History
from workers.simulation.rehearsal import BEGIN_MS, rehearse


def read_simulated(*, students, minutes, seed):
    """[History] of a class that was played without a server. A run's outcome is known with the run."""
    return [_history(pupil) for pupil in rehearse(students=students, minutes=minutes, seed=seed)]


def _history(pupil):
    sent = pupil.desk.sent
    steps = [
        Step(one.at_ms, STEP_KINDS[one.event_type], one.code_size, "") for one in sent if one.event_type in STEP_KINDS
    ]
    others = [one.at_ms for one in sent if one.event_type not in STEP_KINDS]
    troubles = [(BEGIN_MS + round(a * 1000), BEGIN_MS + round(b * 1000)) for a, b in pupil.troubles]
    return History(pupil.name, steps + runs_of(sent), troubles=troubles, others=others)
