"""People: accounts, their roles in courses, and the tokens of programs that act for them."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from models import assigned, ingest
from models.db import UTCDateTime, db, transaction, utcnow
from models.errors import Invalid
from models.events import Event, natural_id

LEARNER = "learner"
INSTRUCTOR = "instructor"
TEACHING_ASSISTANT = "teaching_assistant"
ROLE_NAMES = (LEARNER, INSTRUCTOR, TEACHING_ASSISTANT)
STAFF = (INSTRUCTOR, TEACHING_ASSISTANT)

# The least that OWASP asks of argon2id: a class of thirty logs in at the same minute.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_nobody = _hasher.hash("nobody has this password")


class User(db.Model):
    """An account: login data only. Analytics rows carry the id alone."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    is_admin: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    login_version: Mapped[int] = mapped_column(default=0)
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)

    def set_password(self, password):
        """Keep an argon2 hash; a login made with the old password ends."""
        if len(password) < 8:
            raise Invalid("A password needs at least 8 characters.", field="password")
        self.password_hash = _hasher.hash(password)
        self.login_version = (self.login_version or 0) + 1

    def add_role(self, name, course_id, *, actor_id=None):
        """Give this person a role in a course; a role held already is not counted again."""
        change_roles(course_id, [self.id], name, add=True, actor_id=actor_id)

    def update_roles(self, names, course_id, *, actor_id=None):
        """Set exactly these roles in a course; what stays is not counted again, what goes is counted down."""
        set_roles({self.id: set(names)}, course_id, actor_id=actor_id)


class Role(db.Model):
    """One role of one person in one course."""

    __tablename__ = "roles"
    __table_args__ = (UniqueConstraint("user_id", "course_id", "name"), Index("ix_roles_course_id", "course_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    name: Mapped[str] = mapped_column(String(64))
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)


class ApiToken(db.Model):
    """A bearer token, kept as a hash: who holds it acts as the person until it ends."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index("ix_api_tokens_user_id", "user_id"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    login_version: Mapped[int]
    created_at: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)
    expires_at: Mapped[object] = mapped_column(UTCDateTime)


def find_by_login(email, password):
    """The active account with this address and password, or None; both answers take the same time."""
    user = db.session.scalar(select(User).where(func.lower(User.email) == email.strip().lower()))
    stored = user.password_hash if user and user.is_active else None
    try:
        _hasher.verify(stored or _nobody, password)
    except (VerifyMismatchError, InvalidHashError):
        return None
    return user if stored else None


def learners_of(course_id):
    """The ids of a course's learners, ascending."""
    query = select(Role.user_id).where(Role.course_id == course_id, Role.name == LEARNER).distinct()
    return sorted(db.session.scalars(query))


def staff_names(course_id):
    """{user_id: name} of those who teach a course."""
    query = select(User.id, User.name).join(Role, Role.user_id == User.id)
    return dict(map(tuple, db.session.execute(query.where(Role.course_id == course_id, Role.name.in_(STAFF)))))


def change_roles(course_id, user_ids, role, *, add, actor_id):
    """Give (or take) one role to people of a course. What is held already stays and is not counted again."""
    if role not in ROLE_NAMES:
        raise Invalid(f"A role is one of {', '.join(ROLE_NAMES)}.", field="role")
    with transaction() as session:
        ingest.lock_streams(session, user_ids)
        wanted = {}
        for user_id in user_ids:
            held = held_roles(session, user_id, course_id)
            wanted[user_id] = held | {role} if add else held - {role}
        set_roles(wanted, course_id, actor_id=actor_id)


def set_roles(wanted, course_id, *, actor_id):
    """Set exactly `wanted` = {user_id: role names} in a course, one `role_changed` in each stream that changes.

    Counts move by the difference of the sets before and after (invariant I7).
    """
    with transaction() as session:
        _refuse_unknown(session, wanted)
        streams = ingest.lock_streams(session, wanted)
        events = []
        for user_id in sorted(wanted):
            before, after = held_roles(session, user_id, course_id), set(wanted[user_id])
            if before != after:
                _write_roles(session, user_id, course_id, before, after)
                events.append(_role_changed(user_id, course_id, before, after, actor_id, streams[user_id]))
        events += assigned.follow_roles(session, [event.user_id for event in events], course_id, streams)
        ingest.append(events)


def held_roles(session, user_id, course_id):
    """The role names of a person in a course, as they are now."""
    query = select(Role.name).where(Role.user_id == user_id, Role.course_id == course_id)
    return set(session.scalars(query))


def _refuse_unknown(session, user_ids):
    known = set(session.scalars(select(User.id).where(User.id.in_(list(user_ids)))))
    unknown = sorted(set(user_ids) - known)
    if unknown:
        raise Invalid(f"There is no user {unknown[0]}.", field="user_ids")


def _write_roles(session, user_id, course_id, before, after):
    for name in sorted(before - after):
        for role in session.scalars(select(Role).filter_by(user_id=user_id, course_id=course_id, name=name)):
            session.delete(role)
    session.add_all(Role(user_id=user_id, course_id=course_id, name=name) for name in sorted(after - before))
    session.flush()


def _role_changed(user_id, course_id, before, after, actor_id, stream):
    """The stream's number makes the id: giving, taking and giving again are three events."""
    return Event(
        "role_changed",
        user_id,
        natural_id("role_changed", user_id, course_id, stream.last_seq, sorted(before), sorted(after)),
        actor_id=actor_id,
        course_id=course_id,
        properties={"before": sorted(before), "after": sorted(after)},
    )
