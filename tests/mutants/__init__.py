"""Seeded mutants: classic bugs of such systems, put in on purpose, each of which the tests must catch."""
