"""The live rooms' rows in SQL: classes, sessions with their participants, attempts."""
