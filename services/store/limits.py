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

# How long a stop waits for what is queued. Nobody waits for the answers any more; what was reported and is not
# written is reported again to the next coordinator.
JOURNAL_STOP_SECONDS = 5.0

# So much has to have gathered before the next flush is prepared while one is being written: small ones would only be
# more of them.
PIPELINED_ITEMS_MIN = 300

# Flushes that the writer has at a time: it begins with the next at once, though the coordinator may be busy when the
# one before is done.
FLUSHES_MAX = 2

# From the begin of one flush to that of the next, as long as fewer commands have come than the one before held. At 900
# single submits a second it takes a quarter of the CPU time off each; a caller who is alone never waits.
GATHER_SECONDS = 0.005

# Conflicts with other coordinators, one after the other, before flushes become smaller.
CONFLICTS_MAX = 3

# Tasks that a flush moves on since what they waited for has ended, and how often it looks for those that wait for these
# in their turn: each time is a way to the database and back. A wide fan, or a long chain of failures, takes more than
# one flush.
DEPENDENTS_MAX = 1_000
DEPENDENCY_ROUNDS_MAX = 16

# Commands that wait for a flush. Beyond it callers get RESOURCE_EXHAUSTED: a queue that only grows helps nobody.
JOURNAL_QUEUE_MAX = 10_000

# Distinct sets of requirements that the journal remembers; beyond it they are read again.
REQUIREMENTS_CACHE_MAX = 10_000

# Pages (4 KiB) in the write-ahead log before a commit moves them into the file. A page that changes in many commits
# is then moved once: with 1,000 a commit of 100 tasks took a third longer.
SQLITE_CHECKPOINT_PAGES = 8_000

# Rows that one page of a list may look at: some ten milliseconds. What lies behind is for the next page.
TASKS_SCAN_MAX = 100_000

# Bytes of documents that one page of a list may load: payloads are not shown in lists, but are read with the rest.
PAGE_DOCUMENT_BYTES_MAX = 16 * 1024 * 1024

# Events that one page of the feed may look at when most of them are filtered out.
EVENTS_SCAN_MAX = 20_000

# Rows that the writer remembers: some 400 bytes a task, so 20 MiB; agents of a large fleet; queues.
CACHED_TASKS_MAX = 50_000
CACHED_AGENTS_MAX = 20_000
CACHED_QUEUES_MAX = 10_000

# Request ids of recent submits, some 300 bytes each: one that is repeated, because its answer was lost, is nearly
# always recent.
CACHED_REQUESTS_MAX = 50_000

# A writer that has nothing to do ends at once; one that hangs on its disk is killed, and its transaction with it.
WRITER_STOP_SECONDS = 10.0

# Prepared statements that the writer keeps: each of its dozen in twenty lengths.
WRITER_STATEMENTS_MAX = 512

# Events in one row of the log. A reader that wants a single one decodes all of them, at half a microsecond each.
CHUNK_EVENTS_MAX = 1_000

# Chunks that a reader fetches at a time: one page of events is nearly always in as many.
CHUNKS_READ = 16

# Waits between two attempts to reach a database server that is away.
RECONNECT_SECONDS_MIN = 0.05
RECONNECT_SECONDS_MAX = 1.0

# How long an attempt to reach a database server may take, and how long one may say nothing although it was spoken to:
# without it a server whose host vanished is waited for for a quarter of an hour.
POSTGRES_NETWORK = {
    "connect_timeout": 10,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
