"""What can be refused: a few kinds of error, each with a code, a status and a sentence for the user."""


class AppError(Exception):
    """A refusal that a person or program can act on; each protocol renders it once, at its edge."""

    code = "invalid"
    status = 400

    def __init__(self, message, *, field=None):
        super().__init__(message)
        self.message = message
        self.field = field

    def as_dict(self):
        """`{"error": code, "message": sentence}`, and `"field"` where one field is wrong."""
        answer = {"error": self.code, "message": self.message}
        if self.field:
            answer["field"] = self.field
        return answer


class Unreadable(AppError):
    """The body is not what its content type says."""


class Invalid(AppError, ValueError):
    """A field is missing or wrong; `field` names it. To a caller in Python it is a wrong value, as any other."""

    status = 422


class NotLoggedIn(AppError):
    """Nobody is logged in, or the token has ended."""

    code = "not_logged_in"
    status = 401


class NotAllowed(AppError):
    """Known and visible, but not for this person."""

    code = "not_allowed"
    status = 403


class NotFound(AppError):
    """Unknown, or not visible to this person: the two answer the same."""

    code = "not_found"
    status = 404


class Conflict(AppError):
    """The state does not allow it, or another content has this id already."""

    code = "conflict"
    status = 409


class TooLarge(AppError):
    """The body or a part of it is over its limit."""

    code = "too_large"
    status = 413


class Unavailable(AppError):
    """Something that is needed is away for now; trying again is right."""

    code = "unavailable"
    status = 503
