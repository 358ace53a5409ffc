"""Arithmetic by version: no clock, no query, no state of its own."""
