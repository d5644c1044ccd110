"""The main job, `make demo`: a fleet of real processes does real work, and is judged from the outside."""
