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

# Why tasks wait is looked at this often, for so many sets of needs at a time; more often where the sets are many, so
# that all of them have their turn within a round. A group that something was placed of has news with its second turn:
# within a second, up to 2,500 sets. Beyond that rounds take longer, for this must not take more than a tenth of the
# time.
REPORT_INTERVAL_MICROS = 250_000
REPORT_INTERVAL_MICROS_MIN = 20_000
REPORT_ROUND_MICROS = 400_000
REPORT_NEEDS_MAX = 128

# Ten times what a look at one group takes: sets of needs may have as many groups as there are fairness keys.
REPORT_GROUP_MICROS = 30

# Questions of one stream that wait for their answers. One is answered with each pass, in some ten milliseconds at most.
QUESTIONS_MAX = 64

# A stopping scheduler ends its streams at once, with a status; this is for the statuses to get out.
STOP_GRACE_SECONDS = 1.0
