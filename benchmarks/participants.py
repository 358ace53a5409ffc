"""Claim of S3: participants in one row's JSON change about ten times as fast as in a table of their own.

`python -m benchmarks.participants --database postgresql` tells what it is here, for all at once and for one.
"""

import time

import click
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, update

from benchmarks import history
from models import live
from models.db import db, iso, transaction, utcnow
from models.live import PARTICIPANT_KEYS, SessionModel
from monitoring.repositories.sql_session_repository import mutate_participants


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--students", default=30, show_default=True)
@click.option("--rounds", default=200, show_default=True)
def main(database, students, rounds):
    """Print both times and their ratio."""
    with history.application_on(database):
        history.write(students, learners=students)
        session_id = _session(students)
        table = _normalised(session_id, students)
        print(f"{history.machine()}; python -m benchmarks.participants --database {database} --students {students}")
        for word, ids in (("all", list(range(1, students + 1))), ("one", [1])):
            ours, theirs = _both(session_id, table, ids, rounds)
            print(f"{word}: JSON {ours * 1000:.2f} ms, a table {theirs * 1000:.2f} ms, ratio {theirs / ours:.2f}")


def _session(students):
    now = iso(utcnow())
    values = [(student, None, now, live.CONNECTED, now) for student in range(1, students + 1)]
    participants = [dict(zip(PARTICIPANT_KEYS, value, strict=True)) for value in values]
    with transaction() as session:
        group = live.ClassModel(name="Class", teacher_id=1, student_ids=[])
        session.add(group)
        session.flush()
        row = SessionModel(class_id=group.id, test_id=1, created_by=1, participants=participants)
        session.add(row)
    return row.id


def _normalised(session_id, students):
    """The same as one row per participant, each changed by a statement of its own, as an ORM does it."""
    table = Table(
        "participants_of_benchmark",
        MetaData(),
        Column("session_id", Integer, primary_key=True),
        Column("student_id", Integer, primary_key=True),
        Column("connection_status", String(16)),
        Column("last_activity", String(40)),
    )
    table.create(db.engine)
    rows = [{"session_id": session_id, "student_id": student} for student in range(1, students + 1)]
    with transaction() as session:
        session.execute(insert(table), rows)
    return table


def _both(session_id, table, ids, rounds):
    """Seconds of one change in either form, the two run in turn."""
    ours = theirs = 0.0
    for number in range(rounds):
        now = f"{iso(utcnow())}{number}"
        began = time.perf_counter()
        mutate_participants(session_id, lambda all_, now=now: _touch(all_, ids, now))
        between = time.perf_counter()
        with transaction() as session:
            for student in ids:
                place = (table.c.session_id == session_id) & (table.c.student_id == student)
                session.execute(update(table).where(place).values(connection_status=live.CONNECTED, last_activity=now))
        ours, theirs = ours + between - began, theirs + time.perf_counter() - between
    return ours / rounds, theirs / rounds


def _touch(participants, ids, now):
    for item in participants:
        if item["student_id"] in ids:
            item.update(connection_status=live.CONNECTED, last_activity=now)


if __name__ == "__main__":
    main()
