"""Who asks: an account behind a bearer token or behind the site's cookie, as it is now or was a moment ago."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from sqlalchemy import bindparam, select

from models.db import begin_reading, db, transaction, utcnow
from models.recent import recent
from models.user import ApiToken, User

TOKEN_DAYS = 30


@dataclass(frozen=True)
class Viewer:
    """Who asks: an account, as it is now. `via` says how it came: cookie or token."""

    user_id: int
    name: str
    email: str
    is_admin: bool
    via: str = "cookie"
    login_key: str = ""


def viewer_of(user, *, via, login_key=""):
    """The viewer that an active account is; None for an account that may not come in."""
    if user is None or not user.is_active:
        return None
    return Viewer(user.id, user.name, user.email, user.is_admin, via, login_key)


def viewer_by_token(token):
    """The viewer that holds a bearer token which has not ended, nor with the password it was made for; or None."""
    token_hash = _token_hash(token)
    return _viewers_by_tokens([token_hash]).get(token_hash)


def _viewers_by_tokens(token_hashes):
    begin_reading()
    wanted = {"hashes": list(token_hashes), "now": utcnow()}
    found = db.session.execute(_people_by_tokens(), wanted)
    return {key: Viewer(*user, via="token", login_key=key) for key, *user in found}


@cache
def _people_by_tokens():
    """Made once: this is asked for each event."""
    return (
        select(ApiToken.token_hash, User.id, User.name, User.email, User.is_admin)
        .select_from(User)
        .join(ApiToken, (ApiToken.user_id == User.id) & (ApiToken.login_version == User.login_version))
        .where(ApiToken.token_hash.in_(bindparam("hashes", expanding=True)))
        .where(ApiToken.expires_at > bindparam("now", type_=ApiToken.expires_at.type), User.is_active)
    )


def viewer_by(credentials):
    """The viewer of what a request or a socket came with: `token`, else the cookie's `_user_id`; or None."""
    token = credentials.get("token")
    return viewer_by_token(token) if token else viewer_by_cookie(credentials)


def viewers_by(all_credentials):
    """The viewer of each of these, as it is now, or None: two statements, however many they are."""
    tokens = [_token_hash(item["token"]) if item.get("token") else None for item in all_credentials]
    cookies = [None if item.get("token") else str(item.get("_user_id") or "") or None for item in all_credentials]
    by_token = _viewers_by_tokens([token for token in tokens if token])
    by_cookie = _viewers_by_cookies({cookie for cookie in cookies if cookie})
    return [by_token.get(token) or by_cookie.get(cookie) for token, cookie in zip(tokens, cookies, strict=True)]


def recent_viewer_by(credentials):
    """The viewer of what a request came with, as it was within the last second; or None."""
    if token := credentials.get("token"):
        return _one_of(_viewers_by_tokens, _token_hash(token))
    cookie = credentials.get("_user_id")
    return _one_of(_viewers_by_cookies, str(cookie)) if cookie else None


def _one_of(read, key):
    return recent(read).among([key]).get(key)


def _viewers_by_cookies(cookies):
    """{cookie: Viewer} of cookies `<user id>.<login version>` that are still good."""
    begin_reading()
    wanted = {"ids": list({int(cookie.partition(".")[0]) for cookie in cookies})}
    logins = {f"{user.id}.{user.login_version}": user for user in db.session.execute(_people_by_ids(), wanted)}
    return {
        key: Viewer(user.id, user.name, user.email, user.is_admin, "cookie", key)
        for key, user in logins.items()
        if key in cookies
    }


@cache
def _people_by_ids():
    query = select(User.id, User.login_version, User.name, User.email, User.is_admin)
    return query.where(User.id.in_(bindparam("ids", expanding=True)), User.is_active)


def viewer_by_login(user_id, login_version):
    """The viewer of a cookie that was made for this account and this password, or None."""
    return viewer_by_cookie({"_user_id": f"{user_id}.{login_version}"})


def viewer_by_cookie(cookie):
    """The viewer whom the site's signed cookie names, if his login is still good, or None."""
    login = str(cookie.get("_user_id") or "")
    return _viewers_by_cookies([login]).get(login) if login else None


def make_token(user_id, *, now):
    """A new bearer token, told once: (token, expires_at)."""
    token = secrets.token_urlsafe(32)
    expires_at = now + timedelta(days=TOKEN_DAYS)
    with transaction() as session:
        version = session.scalar(select(User.login_version).where(User.id == user_id))
        row = ApiToken(token_hash=_token_hash(token), user_id=user_id, login_version=version)
        row.created_at, row.expires_at = now, expires_at
        session.add(row)
    return token, expires_at


def end_token(token):
    """Revoke a token; one that has ended stays so."""
    with transaction() as session:
        row = session.get(ApiToken, _token_hash(token))
        if row is not None:
            session.delete(row)


def _token_hash(token):
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
