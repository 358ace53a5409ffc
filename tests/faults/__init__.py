"""Real processes that are killed, frozen and emptied. What their helpers assert is told in full, as in a test."""

import pytest

pytest.register_assert_rewrite("tests.faults.load", "tests.faults.checking")
