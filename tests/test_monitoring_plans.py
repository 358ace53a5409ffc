"""The queries of S3 go by their indexes, on a school with a past; its tables are what S3 says."""

import random

import pytest
from sqlalchemy import inspect, text

from models.db import db, release, transaction, utcnow
from models.live import AttemptModel, ClassModel, SessionModel
from monitoring.repositories import sql_session_repository as repository

SESSIONS = 3000
INDEXES = {
    "classes": {"ix_classes_teacher_id", "ix_classes_status", "ix_classes_name"},
    "sessions": {
        "ix_sessions_class_id",
        "ix_sessions_status",
        "ix_sessions_scheduled_at",
        "ix_sessions_created_by",
        "ix_sessions_test_id",
        "ix_sessions_live",
    },
    "attempts": {
        "ix_attempts_session_id",
        "ix_attempts_student_id",
        "ix_attempts_status",
        "ix_attempts_test_id",
    },
}
LIVE = "SELECT * FROM sessions WHERE status IN ('WAITING_FOR_STUDENTS', 'IN_PROGRESS') ORDER BY scheduled_at"
OPEN_ATTEMPTS = "SELECT * FROM attempts WHERE session_id = 1500 AND status = 'IN_PROGRESS'"
OPEN_SESSIONS = "SELECT * FROM sessions WHERE created_by = {teacher} AND status != 'COMPLETED'"


@pytest.fixture
def past(school):
    """A school with thousands of sessions behind it; the teacher of the last few is another one."""
    chance = random.Random(1)
    teacher, other = school.teacher.id, school.learners[0].id
    with transaction() as session:
        group = ClassModel(name="Class", teacher_id=teacher, course_id=school.course.id, student_ids=[other])
        session.add(group)
        session.flush()
        rows = [
            {
                "class_id": group.id,
                "test_id": school.assignment.id,
                "created_by": other if number % 500 == 0 else teacher,
                "status": "IN_PROGRESS" if number % 300 == 0 else chance.choice(["COMPLETED"] * 9 + ["CANCELLED"]),
                "participants": [],
                "student_ids": [other],
                "scheduled_at": utcnow(),
            }
            for number in range(SESSIONS)
        ]
        session.execute(SessionModel.__table__.insert(), rows)
        places = [
            {"session_id": 1 + number % SESSIONS, "student_id": other, "test_id": school.assignment.id}
            for number in range(2 * SESSIONS)
        ]
        session.execute(AttemptModel.__table__.insert(), [{**place, "status": "IN_PROGRESS"} for place in places])
    db.session.execute(text("ANALYZE"))
    db.session.commit()
    return school


def plan_of(statement):
    """The database's plan of a statement, as text."""
    explain = "EXPLAIN QUERY PLAN " if db.engine.dialect.name == "sqlite" else "EXPLAIN "
    lines = " ".join(str(row) for row in db.session.execute(text(explain + statement)))
    release()
    return lines


def test_the_tables_have_the_indexes_of_s3(app):
    for table, wanted in INDEXES.items():
        assert wanted <= {index["name"] for index in inspect(db.engine).get_indexes(table)}


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (LIVE, "ix_sessions_live"),
        (OPEN_ATTEMPTS, "ix_attempts_session_id"),
        (OPEN_SESSIONS, "ix_sessions_created_by"),
    ],
)
def test_the_queries_of_s3_go_by_their_index(past, statement, index):
    plan = plan_of(statement.format(teacher=past.learners[0].id))

    assert index in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_our_query_of_live_sessions_is_that_of_s3(past):
    with db.engine.connect() as connection:
        compiled = str(repository.live_query().compile(connection))

    assert "ix_sessions_live" in plan_of(compiled)
    assert len(repository.live_sessions()) == SESSIONS // 300


def test_a_session_with_all_its_participants_is_one_row(past):
    columns = {column["name"] for column in inspect(db.engine).get_columns("sessions")}

    assert "participants" in columns
    assert set(inspect(db.engine).get_table_names()).isdisjoint({"participants", "session_participants"})
