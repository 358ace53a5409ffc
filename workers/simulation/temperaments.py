"""How students differ: each function lets one student work in its own way through the lesson."""

from workers.simulation import drafts

# The room's rules for STUCK go by the wall clock: runs over five minutes, or eight runs within two.
SAME_ERROR_GAPS_SECONDS = (30, 60)
SAME_ERROR_SPAN_SECONDS = 7.5 * 60
HASTY_GAPS_SECONDS = (6, 10)
HASTY_SPAN_SECONDS = 110
HASTY_RUNS = 8


def quick(student):
    """Right at the first try."""
    student.pace, student.letters = (3, 6), (10, 24)
    student.work(drafts.right(student.names), done_by=0)


def slow(student):
    """Slow and steady: two mistakes on the way, and there in the end."""
    student.pace, student.letters = (8, 20), (3, 9)
    first = drafts.wrong_result(student.names, student.rng)
    last = drafts.wrong_result(student.names, student.rng)
    student.work(first, last, drafts.right(student.names), done_by=student.rng.uniform(0.7, 0.95))


def careless(student):
    """Forgets colons, indentation and brackets."""
    student.pace, student.letters = (3, 9), (6, 18)
    steps = [*drafts.wrong_syntax(student.names), drafts.wrong_type(student.names), drafts.right(student.names)]
    student.work(*steps, done_by=student.rng.uniform(0.5, 0.8))


def stuck(student):
    """Gets the same NameError for minutes, and changes everything but the name."""
    student.pace, student.letters = (3, 6), (8, 20)
    lesson, rng = student.lesson, student.rng
    misspelt = drafts.wrong_name(student.names)
    student.write(misspelt)
    minutes = lesson.speed * rng.uniform(8, 10) if lesson.speed <= 4 else rng.uniform(10, 15)
    until = min(lesson.now() + minutes * 60, 0.9 * lesson.length_seconds)
    shortest, longest = gaps_of_stuck((until - lesson.now()) / lesson.speed, lesson.speed)
    with student.struggling():
        while lesson.now() < until:
            student.try_out(misspelt)
            student.fiddle(misspelt, lesson.now() + lesson.speed * rng.uniform(shortest, longest))
    student.work(drafts.right(student.names), done_by=0)


def loses_network(student):
    """Works on while nothing arrives; what was held back comes later."""
    student.plan(student.rng.uniform(0.15, 0.6), student.lose_network)
    mistake = drafts.wrong_result(student.names, student.rng)
    student.work(mistake, drafts.right(student.names), done_by=student.rng.uniform(0.6, 0.85))


def idles(student):
    """Is in another tab for a while, and then looks out of the window."""
    student.plan(student.rng.uniform(0.15, 0.4), student.look_away)
    mistake = drafts.wrong_type(student.names)
    student.work(mistake, drafts.right(student.names), done_by=student.rng.uniform(0.6, 0.9))


def closes_laptop(student):
    """Shuts the lid, and opens it again later."""
    student.plan(student.rng.uniform(0.2, 0.7), student.close_laptop)
    mistake = drafts.wrong_result(student.names, student.rng)
    student.work(mistake, drafts.right(student.names), done_by=student.rng.uniform(0.5, 0.9))


def gaps_of_stuck(span_seconds, speed):
    """(least, most) seconds by the wall clock between runs, so that one of the room's rules sees them as stuck.

    A fast lesson has its eight runs within two minutes by itself; a long one its five over five minutes; else hurry.
    """
    natural = (30 / speed, 60 / speed)
    if natural[1] * HASTY_RUNS <= HASTY_SPAN_SECONDS:
        hurried = span_seconds / (HASTY_RUNS + 5)
        return min(natural[0], hurried), min(natural[1], hurried)
    return SAME_ERROR_GAPS_SECONDS if span_seconds >= SAME_ERROR_SPAN_SECONDS else HASTY_GAPS_SECONDS


# A small class has one of each; among ten the first come once more.
ALL = (quick, stuck, loses_network, careless, slow, closes_laptop, idles)
TEN = (*ALL, quick, slow, careless)


def deal(count, rng):
    """A temperament for each of `count` students, mixed."""
    dealt = [TEN[number % len(TEN)] for number in range(count)]
    rng.shuffle(dealt)
    return dealt
