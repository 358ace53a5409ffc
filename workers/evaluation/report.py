"""What the evaluation prints: our flags beside flags of other kinds, as a plain table, and how it was judged."""

from models.formulas.stuck import VERSION
from models.formulas.stuck.signs import Limits
from workers.evaluation import judging, simulated, troubles
from workers.evaluation.watching import flags_of

MINUTE_MS = 60_000
QUESTIONS = (("Y", "Y"), ("Y and D", "YD"))
# Praise for a part that is done is most of the marks, and no need for help.
WITHOUT_PRAISE = (("Y without praise", "Y"), ("Y and D without praise", "YD"))
# What the limits are chosen from where a learner is left out.
GRID = [Limits(late * MINUTE_MS // 2, half) for late in (4, 5, 6, 8) for half in (33, 50, 67)]
HEAD = f"{'':<34} {'flags':>5} {'right':>5} {'precision':>9} {'recall':>6} {'median delay':>12}"


def report_on_marks(histories):
    """The lines about flags against marks."""
    flags = {history.name: [flag.at_ms for flag in flags_of(history)] for history in histories}
    yield f"Rules version {VERSION}: {judging.count(flags)} flags for {len(histories)} learners, {_active(histories)}."
    for window_ms in (judging.WINDOW_MS, judging.WIDE_MS):
        before, after = (ms // 1000 for ms in window_ms)
        yield f"\nRight is a flag from {before} s before to {after} s after a mark; one flag for one mark."
        yield HEAD
        for words, labels in QUESTIONS:
            yield from _against(histories, flags, _marks(histories, labels), words, window_ms)
        for words, labels in WITHOUT_PRAISE:
            yield from _against(histories, flags, _marks(histories, labels, praise=False), words, window_ms)
    yield "\nDoes it hold for those whose marks were not looked at? (the narrower window)"
    yield HEAD
    yield from _left_out(histories)
    yield from _halves(histories, flags)


def _active(histories):
    total_ms = sum(end - begin for history in histories for begin, end in history.active_spans())
    return f"who were active for {total_ms // MINUTE_MS} minutes together"


def _marks(histories, labels, *, praise=True):
    return {
        history.name: [at_ms for at_ms, label, is_praise in history.marks if label in labels and praise >= is_praise]
        for history in histories
    }


def _against(histories, flags, marks, words, window_ms):
    wanted = judging.count(flags)
    yield f"marks {words}: {judging.count(marks)}"
    yield _line("our rules", judging.judge(flags, marks, window_ms))
    yield _line("longest idle, as many", judging.best_idle(histories, wanted, marks, window_ms))
    yield _line("most runs, as many", judging.best_runs(histories, wanted, marks, window_ms))
    share = judging.chance(histories, flags, marks, window_ms)
    found = share * wanted / max(judging.count(marks), 1)
    yield f"{'  ours, each at a random moment':<34} {wanted:>5} {'':>5} {share:>9.2f} {found:>6.2f}"


def _line(words, found):
    delay = "" if found.delay_ms is None else f"{found.delay_ms / 1000:.0f} s"
    numbers = f"{found.flags:>5} {found.right:>5} {found.precision:>9.2f} {found.recall:>6.2f} {delay:>12}"
    return f"  {words:<32} {numbers}"


def _left_out(histories):
    """Each learner's flags by the limits that are best for all the others."""
    tried = [{h.name: [flag.at_ms for flag in flags_of(h, limits=limits)] for h in histories} for limits in GRID]
    for words, labels in QUESTIONS:
        marks = _marks(histories, labels)
        flags = {history.name: _best_without(history, tried, marks) for history in histories}
        yield from _compared(histories, flags, marks, f"limits chosen by the others, {words}")


def _best_without(history, tried, marks):
    others = {name: moments for name, moments in marks.items() if name != history.name}

    def score(flags):
        found = judging.judge({name: flags[name] for name in others}, others)
        return found.right / max(found.flags + found.marks, 1)

    return max(tried, key=score)[history.name]


def _halves(histories, flags):
    for number in (0, 1):
        half = histories[number::2]
        mine = {history.name: flags[history.name] for history in half}
        for words, labels in QUESTIONS:
            yield from _compared(half, mine, _marks(half, labels), f"every second learner ({number + 1}), {words}")


def _compared(histories, flags, marks, words):
    wanted = judging.count(flags)
    yield f"{words}: {judging.count(marks)} marks"
    yield _line("our rules", judging.judge(flags, marks))
    yield _line("longest idle, as many", judging.best_idle(histories, wanted, marks))
    yield _line("most runs, as many", judging.best_runs(histories, wanted, marks))


def report_on_simulation(*, students, minutes, seed):
    """The lines about flags against what simulated students know of themselves."""
    histories = simulated.read_simulated(students=students, minutes=minutes, seed=seed)
    found = {history.name: flags_of(history) for history in histories}
    flags = {name: [flag.at_ms for flag in mine] for name, mine in found.items()}
    wanted = judging.count(flags)
    yield f"Rules version {VERSION}: {wanted} flags for {students} students in {minutes:g} minutes (seed {seed})."
    yield "Right is a flag while the student knows that he is stuck. To be found is where he knows it for"
    yield f"{troubles.LONG_MS // MINUTE_MS} minutes or more; the delay is from the beginning of that."
    yield HEAD
    yield _line("our rules", troubles.judge(flags, histories))
    yield _line("longest idle, as many", troubles.best_idle(histories, wanted))
    yield _line("most runs, as many", troubles.best_runs(histories, wanted))
    reasons = sorted({flag.reason for mine in found.values() for flag in mine})
    yield "Reasons given: " + "; ".join(reasons) + "."
