"""Benchmarks: one command per claim, each a ratio printed beside what it is measured against."""
