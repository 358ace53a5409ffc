"""Reports: what a teacher keeps of a course's counters at one moment, and who looked at it."""

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import JSON

from models import ingest
from models.counters import SUBMISSION_NUMBERS, SubmissionCounts
from models.counters.series import weekly_series
from models.db import UTCDateTime, db, iso, transaction, utcnow
from models.errors import Invalid
from models.events import Event, natural_id
from models.submission import Submission

SUBMISSIONS, ACTIVITY = "submission_counts", "weekly_activity"
REPORT_TYPES = (SUBMISSIONS, ACTIVITY)
SUBMISSION_COLUMNS = ("submission_id", "assignment_id", "user_id", "percentage", "submission_status")


class Report(db.Model):
    """A report that somebody made about a course; `content` is `{columns, rows}` as they were then."""

    __tablename__ = "reports"
    __table_args__ = (Index("ix_reports_user_id", "user_id"), Index("ix_reports_course_id", "course_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    report_type: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    course_id: Mapped[int | None] = mapped_column(ForeignKey("courses.id"))
    content: Mapped[dict | None] = mapped_column(JSON)
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)

    @classmethod
    def new(cls, report_type, user_id, course_id):
        """Make a report of a course; its maker's and the course's reports are counted. Raises `Invalid`."""
        if report_type not in REPORT_TYPES:
            raise Invalid(f"A report is one of {', '.join(REPORT_TYPES)}.", field="report_type")
        if course_id is None:
            raise Invalid("A report is about a course.", field="course_id")
        with transaction() as session:
            ingest.lock_streams(session, [user_id])
            report = cls(report_type=report_type, user_id=user_id, course_id=course_id)
            report.content = _CONTENTS[report_type](session, course_id)
            session.add(report)
            session.flush()
            event = Event("report_created", user_id, natural_id("report_created", report.id), course_id=course_id)
            event.properties = {"report_type": report_type, "report_id": report.id}
            ingest.append([event])
        return report

    def told(self):
        """What it says, `{columns, rows}`; nothing, where it was made before contents were kept."""
        return self.content or {"columns": [], "rows": []}

    def viewed(self, user_id):
        """Somebody looks at the report: counted for its kind and course."""
        event = Event("report_viewed", user_id, course_id=self.course_id)
        event.properties = {"report_type": self.report_type, "report_id": self.id}
        ingest.append([event])

    def as_dict(self):
        """The report without its content."""
        return {
            "id": self.id,
            "report_type": self.report_type,
            "user_id": self.user_id,
            "course_id": self.course_id,
            "date_created": iso(self.date_created),
        }


def list_reports(course_id, *, most):
    """The newest reports of a course, newest first."""
    query = select(Report).where(Report.course_id == course_id).order_by(Report.id.desc()).limit(most)
    return db.session.scalars(query).all()


def _submission_rows(session, course_id):
    columns = [Submission.id.label("submission_id"), *(getattr(Submission, n) for n in SUBMISSION_COLUMNS[1:])]
    columns += [getattr(SubmissionCounts, name) for name in SUBMISSION_NUMBERS]
    query = select(*columns).outerjoin(SubmissionCounts, SubmissionCounts.submission_id == Submission.id)
    query = query.where(Submission.course_id == course_id).order_by(Submission.assignment_id, Submission.user_id)
    rows = [[_plain(value) for value in row] for row in session.execute(query)]
    return {"columns": [*SUBMISSION_COLUMNS, *SUBMISSION_NUMBERS], "rows": rows}


def _activity_rows(session, course_id):
    weeks = weekly_series(session, "course", course_id)
    metrics = sorted({metric for _, numbers in weeks for metric in numbers})
    rows = [[week.isoformat(), *(numbers.get(metric, 0) for metric in metrics)] for week, numbers in weeks]
    return {"columns": ["week", *metrics], "rows": rows}


def _plain(value):
    """A number as JSON has it; what was never counted is nothing yet."""
    if value is None:
        return 0
    return value if isinstance(value, str | int) else float(value)


_CONTENTS = {SUBMISSIONS: _submission_rows, ACTIVITY: _activity_rows}
