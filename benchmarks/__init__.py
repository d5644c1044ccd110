"""`make bench`: how fast the whole path is, with real processes. Numbers, not tests: nothing fails for being slow."""
