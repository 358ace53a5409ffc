"""Files of the editor: which names there are, and where each is kept (contract blockpy 2.5)."""

import json

from models.db import transaction
from models.errors import Invalid
from models.submission import STUDENT_FILES, check_size, checked_files, save_file

INSTRUCTOR_FILES = {
    "!instructions.md": "instructions",
    "!on_run.py": "on_run",
    "!on_change.py": "on_change",
    "!on_eval.py": "on_eval",
    "^starting_code.py": "starting_code",
    "!assignment_settings.blockpy": "settings",
    "#extra_instructor_files.blockpy": "extra_instructor_files",
    "#extra_starting_files.blockpy": "extra_starting_files",
}


def is_students(filename):
    """Whether a file is the student's; raises `Invalid` for a name outside the list."""
    if filename not in STUDENT_FILES and filename not in INSTRUCTOR_FILES:
        raise Invalid("There is no file of this name.", field="filename")
    return filename in STUDENT_FILES


def save_student_file(submission, event, *, filename, code, part_id=None):
    """Save a student's file: it becomes a `File.Edit`, and with it `last_edited` moves."""
    return save_file(submission, event, filename=filename, code=code, part_id=part_id)


def save_instructor_file(assignment, filename, code):
    """Save a file of the assignment and raise its version."""
    check_size(code)
    field = INSTRUCTOR_FILES[filename]
    if filename.startswith("#"):
        checked_files(code)
    if field == "settings":
        code = merged_settings(assignment.settings, code)
    with transaction() as session:
        row = session.get(type(assignment), assignment.id, with_for_update={"key_share": True}, populate_existing=True)
        setattr(row, field, code)
        row.version += 1


def merged_settings(stored, told):
    """Settings with the told ones over the stored ones: the client loses the keys that it does not know."""
    try:
        settings = json.loads(told or "{}")
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise Invalid("Settings are a JSON object.", field="code")
    return json.dumps(json.loads(stored or "{}") | settings, sort_keys=True)
