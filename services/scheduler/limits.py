"""The bounds of the scheduler, each with its reason."""

# Coordinators at once; more than any installation has, and a view can be large.
STREAMS_MAX = 64

# Messages of one stream that are received and not looked at. Then the stream is not read, and flow control slows its
# sender. What waits here is taken in one go, so that a busy scheduler decides in larger batches.
INBOX_MESSAGES_MAX = 256

# A coordinator sends a window of some hundreds of tasks per group. Beyond these a stream is ended: it is broken, or its
# groups were never taken back, and its next snapshot is a fresh start.
TASKS_MAX = 2_000_000
GROUPS_MAX = 200_000
AGENTS_MAX = 100_000

# A snapshot is gathered until it is complete: as much of it as a stream may tell at all.
SNAPSHOT_ITEMS_MAX = TASKS_MAX + GROUPS_MAX + AGENTS_MAX

# Responses that were decided and not read. A coordinator reads within milliseconds; while it does not, it gets its 500
# placements a pass at most, and some fifty offers a second. One that is so far behind would refuse most of them anyway.
OUTBOX_MESSAGES_MAX = 1_000

# Why tasks wait is looked at this often, for so many sets of needs at a time: news within half a second where the sets
# are few, and a bounded share of the time where they are many.
REPORT_INTERVAL_MICROS = 250_000
REPORT_NEEDS_MAX = 64

# A stopping scheduler ends its streams at once, with a status; this is for the statuses to get out.
STOP_GRACE_SECONDS = 1.0
