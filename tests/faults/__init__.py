"""Real processes that are killed, frozen and emptied. What their helpers assert is told in full, as in a test."""

import os

import pytest

pytest.register_assert_rewrite("tests.faults.load", "tests.faults.checking", "tests.faults.room")

# `bin/test --faults`: faults take as long as the contract says; else as short as they show anything.
FULL = "TEST_FAULT_POINTS" in os.environ
