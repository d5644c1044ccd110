"""Both halves of the agents' conversation, the rules and the scheduler, in one process and in virtual time.

No event loop, no socket, no thread, no clock and no database: everything that happens is an event of `clock.py`, chosen
by one seed. `run.py` says what a run is, `books.py` what is checked.
"""
