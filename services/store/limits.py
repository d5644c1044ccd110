"""The bounds of the store, each with its reason."""

# Reads run in so many threads, each with a connection: on two cores more would only wait for the interpreter.
READERS_MAX = 4

# How long a connection waits for another process's lock on the file before it gives up.
SQLITE_BUSY_SECONDS = 5.0

# Page cache of a connection. The hot rows of some 100,000 tasks fit into it.
SQLITE_CACHE_KIB = 65_536

# The part of the file that is read through memory instead of system calls.
SQLITE_MMAP_BYTES = 256 * 1024 * 1024

# Commands in one flush: their answers wait for the slowest, so a flush stays in the tens of milliseconds.
FLUSH_COMMANDS_MAX = 256

# Items (tasks, placements, reports) in one flush, for the same reason.
FLUSH_ITEMS_MAX = 1_000

# Commands that wait for a flush. Beyond it callers get RESOURCE_EXHAUSTED: a queue that only grows helps nobody.
JOURNAL_QUEUE_MAX = 10_000
