"""`/api/me` and `/api/users`: accounts."""

from flask import Blueprint, g, jsonify
from pydantic import Field
from sqlalchemy import select

from blockpy.reading import Body, body
from models import access
from models.db import db, transaction
from models.errors import Invalid
from models.user import Role, User

bp = Blueprint("people", __name__, url_prefix="/api")


class NewUser(Body):
    """One account to make."""

    name: str = Field(min_length=1, max_length=255)
    email: str = Field(min_length=3, max_length=255, pattern=r"^\S+@\S+$")
    password: str | None = None
    is_admin: bool = False


class NewUsers(Body):
    """Accounts to make in one transaction."""

    items: list[NewUser] = Field(min_length=1, max_length=500)


@bp.get("/me")
def me():
    """Who I am, and my roles per course."""
    viewer = access.logged_in(g.viewer)
    roles = {}
    for role in db.session.scalars(select(Role).where(Role.user_id == viewer.user_id).order_by(Role.course_id)):
        roles.setdefault(role.course_id, []).append(role.name)
    told = [{"course_id": course_id, "roles": sorted(names)} for course_id, names in roles.items()]
    return jsonify(id=viewer.user_id, name=viewer.name, email=viewer.email, is_admin=viewer.is_admin, courses=told)


@bp.post("/users")
def make_users():
    """Make accounts, all or none; an address that is known already is answered `exists` and left alone."""
    access.admin(g.viewer)
    wanted = body(NewUsers).items
    emails = [item.email.lower() for item in wanted]
    if len(set(emails)) != len(emails):
        raise Invalid("The same address is there twice.", field="items")
    unknown = set(emails) - known_addresses(emails)
    # A password takes its time: nobody's transaction waits for that.
    made = {email: _new_user(item, email) for item, email in zip(wanted, emails, strict=True) if email in unknown}
    with transaction() as session:
        taken = known_addresses(emails)
        session.add_all(user for email, user in made.items() if email not in taken)
        session.flush()
        ids = dict(session.execute(select(User.email, User.id).where(User.email.in_(emails))).all())
    told = [{"id": ids[e], "email": e, "status": "exists" if e in taken else "created"} for e in emails]
    return jsonify(items=told), 201


def known_addresses(emails):
    """Those of these addresses that have an account."""
    return set(db.session.scalars(select(User.email).where(User.email.in_(emails))))


def _new_user(item, email):
    user = User(name=item.name, email=email, is_admin=item.is_admin)
    if item.password is not None:
        user.set_password(item.password)
    return user


@bp.get("/users/<int:user_id>")
def read_user(user_id):
    """One account: one's own, or any for an admin."""
    user = access.readable_user(g.viewer, user_id)
    access.audit(g.viewer, "user", subject_id=user.id)
    return jsonify(id=user.id, name=user.name, email=user.email, is_admin=user.is_admin)
