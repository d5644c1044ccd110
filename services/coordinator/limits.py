"""The bounds of the coordinator process, each with its reason."""

# Items in one message of an agent's stream: the contract's limit.
MESSAGE_ITEMS_MAX = 128

# Bytes of leases in one message: the contract's limit. A lease larger than this travels alone.
MESSAGE_BYTES_MAX = 256 * 1024

# Batches of reports of one agent that wait for their commit. Beyond it the stream is not read: the agent's own buffer
# fills.
REPORT_BATCHES_MAX = 64

# What waits to be said to one agent that does not read: echoes, of which an honest one has asked for one in 5 s; and
# refusals, of which it gets a few for each lease that it may hold, when it comes back after it lost all of them.
UNHEARD_MESSAGES_MAX = 256
UNHEARD_REFUSALS_MAX = 100_000

# How often sessions are looked at. A quarter of a second is small against the shortest time to live, one second.
SESSION_TICK_SECONDS = 0.25

# A call of a conversation in calls waits at most this long for something to say, seconds: the contract's limit.
EXCHANGE_WAIT_SECONDS_MAX = 20.0

# Without a call for so long, seconds, such a conversation counts as broken, as a stream does whose connection ended. An
# agent always has a call here, but for a way there and back, and makes one that failed again within a second.
EXCHANGE_ABSENCE_SECONDS = 4.0

# One that is over is remembered for so long, seconds, so that a call that comes late, or again, hears why, and does not
# begin it anew.
EXCHANGE_REMEMBERED_SECONDS = 30.0

# Conversations in calls, those that are remembered included: as many as there may be calls and streams.
EXCHANGES_MAX = 32_768

# Documents of recent tasks that are kept for their lease, bytes. Older ones are read from the database when they are
# granted.
DOCUMENTS_BYTES_MAX = 64 * 1024 * 1024

# The first message of an agent has to come within this time, seconds.
HELLO_SECONDS = 10.0

# Due timers that one step works on: a storm of them is worked off in bounded flushes.
TIMERS_MAX = 500

# Timers are looked for at least this often, seconds, whatever was heard of: a lost wake-up costs no more.
TIMER_POLL_SECONDS = 1.0

# The coordinator's own row is renewed at least this often, seconds, when nothing else is written.
RENEW_SECONDS = 1.0

# How often the other coordinators' rows are looked at: small against the 5 s after which one is dead.
MEMBERSHIP_POLL_SECONDS = 0.5

# How often agents are looked for whose coordinator is gone, if nothing says that there are any.
ORPHANS_POLL_SECONDS = 5.0

# How often the log is looked at for what others have committed, and in case there are others. An own commit that finds
# something missing before it has it read at once.
TAIL_POLL_SECONDS = 0.05
TAIL_POLL_ALONE_SECONDS = 1.0

# Chunks of the log in one such read: of the largest, some ten thousand events.
TAIL_CHUNKS_MAX = 64

# Tasks of one group that the scheduler is told of. It places some thousands a second, and half a window is refilled
# at a time.
WINDOW_TASKS_MAX = 2_000

# What comes back, or is moved here, and is older than the window's end goes into it all the same, up to this.
WINDOW_OVERFULL_MAX = 4_000

# Groups without tasks that are remembered, so that a trickle of tasks does not make a new group each.
EMPTY_GROUPS_MAX = 1_000

# Ready tasks in one message to the scheduler.
SCHEDULE_MESSAGE_TASKS_MAX = 1_000

# Affinity keys that are remembered of an agent: as many as it may name in Hello.
WARM_KEYS_MAX = 64

# Placements in one command: the journal folds as many commands into a flush as there are.
PLACEMENTS_MAX = 500

# Placements that wait for their result. Beyond it the scheduler's stream is not read.
PLACEMENT_BATCHES_MAX = 16

# Waits between two attempts to reach the scheduler, seconds.
SCHEDULER_RECONNECT_SECONDS_MIN = 0.05
SCHEDULER_RECONNECT_SECONDS_MAX = 1.0

SCHEDULER_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    # Each stream has a channel of its own, and its loop waits between them. Channels that share connections share
    # gRPC's wait, too, which grows to two minutes while the scheduler is away.
    ("grpc.use_local_subchannel_pool", 1),
]

# With several schedulers: how often the row that names the active one is looked at, how often that one is asked whether
# it lives, and how long another one has for saying that it would serve. Placements come again within 3 s: see
# `domain/scheduler_choice.py`.
SCHEDULER_LOOK_SECONDS = 0.5
SCHEDULER_PING_SECONDS = 0.5
SCHEDULER_PROBE_SECONDS = 0.5

# A coordinator that could not do anything for so long, seconds, has heard nothing because of itself.
SCHEDULER_STALL_SECONDS = SCHEDULER_PING_SECONDS + 0.75

# Tasks, agents, queues, attempts or events in one page, if the caller does not say.
PAGE_SIZE_DEFAULT = 100

# Bytes of items in one page: gRPC peers accept messages of 4 MiB, unless they are told otherwise.
PAGE_BYTES_MAX = 3 * 1024 * 1024

# Why tasks wait is noted of so many groups at a time, and of one group again after this time: one that changes all the
# time costs two small transactions a second.
STUCK_NOTES_MAX = 200
STUCK_NOTE_SECONDS = 1.0

# By then a scheduler has said of every group why it waits: what is noted and not said is looked at then, and once in a
# while after that, in case that whoever noted it is gone.
STUCK_SETTLE_SECONDS = 3.0
STUCK_LOOK_SECONDS = 10.0

# Questions to the scheduler that wait for an answer, and for how long, seconds: it answers with its next pass.
QUESTIONS_MAX = 32
ANSWER_SECONDS = 2.0

# The latest events, kept in memory for the followers of the feed: seconds of the highest rate, hours of a
# usual one. A follower that falls behind all of them has to begin again from the database.
RING_EVENTS_MAX = 65_536
RING_BYTES_MAX = 32 * 1024 * 1024

# Events, and about how many bytes of them, in one message to a follower: the contract's limit, and far below
# what gRPC peers accept.
WATCH_EVENTS_MAX = 1_000
WATCH_BYTES_MAX = 1024 * 1024

# A follower whose filter leaves everything out hears of its position this often, seconds: the contract's limit.
POSITION_SECONDS = 5.0

# A follower that does not take a message for so long, seconds, is a slow reader. Nothing is kept for it, but
# its call ends.
WATCH_WRITE_SECONDS = 30.0

# Live output that waits for one reader, and that is kept for readers that come later, bytes. The oldest goes first.
OUTPUT_BYTES_MAX = 1024 * 1024
OUTPUT_RECENT_BYTES_MAX = 256 * 1024

# A message costs the coordinator 50 to 100 µs, however little is in it. So what is not urgent gathers for a moment once
# something has been said; after a quiet time everything goes at once. At 1,000 single tasks a second this halves the
# number of messages.
WATCH_PAUSE_SECONDS = 0.005  # between two messages to a follower of the feed
ACK_PAUSE_SECONDS = 0.010  # between two acknowledgements to an agent, which only keeps the reports for longer
SCHEDULE_PAUSE_SECONDS = 0.002  # between two messages to the scheduler
LOAD_PAUSE_SECONDS = 0.050  # until the scheduler hears of loads that nothing waits for

# Tasks and chunks of the log that one pass of the retention looks at: some ten milliseconds of the writer's time, so
# that nobody waits for it. A pass that found as many goes on after a pause: some thousand tasks a second.
RETENTION_TASKS_MAX = 500
RETENTION_CHUNKS_MAX = 50
RETENTION_PAUSE_SECONDS = 0.1
RETENTION_POLL_SECONDS = 60.0

# Tasks that others wait for and that one pass looks at, whether one has ended and was left: some milliseconds of a
# reader's time. A coordinator goes on at once with what it has left itself, so this is for what one left that is dead.
UNSETTLED_LOOKED_AT_MAX = 1_000
UNSETTLED_PAUSE_SECONDS = 0.1
UNSETTLED_POLL_SECONDS = 5.0

# Agents, groups and queues in one message to the scheduler, bytes: well below what its server receives, 4 MiB.
SCHEDULE_MESSAGE_BYTES_MAX = 1024 * 1024

# A refill of the window that could not be read is tried again after this time.
REFILL_RETRY_SECONDS = 1.0

# Schedules that one pass fires, and tasks of one schedule in one transaction, with the bytes of their specs: more than
# a minute's worth of firings each second, and a fraction of a second of the writer's time. The rest comes with the next
# pass, at once.
SCHEDULES_MAX = 100
FIRINGS_MAX = 200
FIRINGS_BYTES_MAX = 4 * 1024 * 1024

# The clock is looked at this often, seconds, while nothing is due: it may be put forward.
SCHEDULE_CLOCK_SECONDS = 1.0

# Schedules are looked for at least this often, seconds, whatever was heard of.
SCHEDULE_POLL_SECONDS = 5.0
# How often it is looked for drains that are overdue, and how many agents one look deals with. What is overdue has had
# its grace already, so that a second more or less does not matter.
DRAIN_POLL_SECONDS = 1.0
OVERDUE_DRAINS_MAX = 100

# Tasks that one page of a change of many looks at, if the caller does not say: one flush of the journal, with room for
# what others ask for.
BULK_PAGE_SIZE_DEFAULT = 500

# Tasks in one command of it. With several coordinators a command is made again whole if one of its tasks changed
# meanwhile, so that a large one might never get through.
BULK_COMMAND_TASKS_MAX = 25
# How often the states of queues that may refuse tasks are looked at: a queue that was shedding and is empty takes tasks
# again with the next submit anyway, so this only says how late the feed and the statistics may be.
ADMISSION_POLL_SECONDS = 0.25

# How often their depths are counted anew, in case that something was missed: a walk over an index, in a reader's
# thread.
ADMISSION_RECOUNT_SECONDS = 60.0
