"""Every bound of the agent by name, with its reason. No code.

What the contract itself bounds stands here only where the agent must cut its messages to it.
"""

from __future__ import annotations

# --- The conversation

PROTOCOL_VERSION_MIN = 1
PROTOCOL_VERSION_MAX = 1
# The contract's bounds of one message.
BATCH_ITEMS_MAX = 128
BATCH_BYTES_MAX = 256 * 1024
PAYLOAD_BYTES_MAX = 256 * 1024
CHUNK_BYTES_MAX = 64 * 1024
FAILURE_MESSAGE_BYTES_MAX = 8 * 1024
FAILURE_CODE_BYTES_MAX = 128
NOTE_BYTES_MAX = 1024
CUSTOM_USAGE_MAX = 32
SLOTS_MAX = 10_000
QUEUE_LIMIT_MAX = 10_000
# Affinity keys that Hello may name, and so what is remembered of what has run.
WARM_KEYS_MAX = 64
# No Welcome for so long: the address is taken for dead, and the next one is tried.
WELCOME_SECONDS = 10.0
# Used until a Welcome names its own.
HEARTBEAT_SECONDS = 5.0
ECHO_SECONDS = 12.0
# Heartbeats in the time to live of the shortest lease held: the contract says six.
HEARTBEATS_PER_TTL = 6
# No echo may be waited for so many at once; a coordinator that is further behind has not answered for far longer than
# the echo timeout.
UNECHOED_MAX = 1024
# The agent stops a lease's work by itself after this part of the time to live: the rest is for the coordinator's clock.
SELF_STOP_PART = 2 / 3
# A lease that arrives is trusted for this part of its time to live before any heartbeat has named it.
UNCONFIRMED_PART = 1 / 3
# A receipt waits for so long for a report that can say the same.
RECEIPT_PAUSE_SECONDS = 0.02
# The coordinator records progress once a second; more would only be thrown away there.
PROGRESS_SECONDS = 1.0
# Outcomes that no coordinator has acknowledged are kept in memory; beyond this no further work is started. What runs
# then still ends, so the true bound is this plus one payload for each slot.
UNACKNOWLEDGED_BYTES_MAX = 64 * 1024 * 1024
# A lease that was handed over, and that no handler took for so long because others block, is given back: somebody
# else may be free. Long enough for a burst of work or a garbage collection, short beside a lease's life.
HANDOVER_SECONDS = 10.0
# Work whose lease is gone may take so long to stop before the coordinator is told that its slot is not free. Must
# exceed the command executor's grace, after which most work has stopped.
LINGERING_SECONDS = 6.0
# Waits between two streams: the first is the Welcome's jitter, or this where there was none; then doubling, with full
# jitter.
RECONNECT_SECONDS = 0.1
RECONNECT_SECONDS_MAX = 3.0

# --- The conversation in calls

# The contract's bound: one call that waits, and one with what there is to say.
POLL_CALLS_MAX = 2
# A call waits for so long for something to say: well below 15 s, the shortest time limit that a proxy has by itself.
# Heartbeats end it twice as early anyway.
POLL_WAIT_SECONDS = 10.0
# What a call's deadline has beyond its wait: a slow way there and back.
POLL_MARGIN_SECONDS = 5.0
# Pauses before a call that failed on its way is made again; then the conversation is given up, for another coordinator
# may be there. The coordinator waits for four seconds, so it is still there then.
POLL_PAUSES_SECONDS = (0.1, 0.3, 0.6)
# Messages of one call: half of what the contract says, and of what nginx takes without being told.
POLL_BYTES_MAX = 512 * 1024

# --- Leaving

# What runs may go on for so long after SIGTERM; Kubernetes kills after 30 s by default, so a preStop or a longer grace
# belongs with it where work is long.
DRAIN_SECONDS = 30.0
# Then work is told to stop; handlers that do not within this are left behind. Must exceed the command executor's grace.
LEAVE_SECONDS = 8.0
# The coordinator ends the stream after a Goodbye; not waited for longer than this.
GOODBYE_SECONDS = 2.0

# --- Handlers

# Leases in one hand-over to the main loop, so that it looks at its other callbacks in between.
HANDOVER_ITEMS_MAX = 128
# Frames of a traceback that go into a failure's message, the innermost.
TRACEBACK_FRAMES_MAX = 8

# --- Output

# Live output kept for each stream of each lease: what a new follower gets of the past.
LIVE_BYTES_MAX = 256 * 1024
LOG_BYTES_MAX = 64 * 1024
# Of a command's output, each stream keeps its first and its last bytes up to this, so that either can fill the result
# alone.
HEAD_BYTES_MAX = 128 * 1024
TAIL_BYTES_MAX = 128 * 1024
READ_BYTES = 64 * 1024

# --- Commands

# Between SIGTERM and SIGKILL.
GRACE_SECONDS = 5.0
# After a command has exited, what its children still write into its pipes is read for so long; then the group is
# killed.
LINGER_SECONDS = 1.0
# Where the system cannot wait for a process and a pipe at once, the process is looked at this often.
EXIT_POLL_SECONDS = 0.05
# After SIGKILL: a process that the kernel holds on to (a dead network disk) must not hold the slot for ever.
KILL_SECONDS = 10.0
# Live output is sent in batches this far apart: quick for an eye, and a chatty command costs twenty messages a second.
LIVE_SECONDS = 0.05
# Of a command's result, everything but its two texts: braces, names, numbers.
RESULT_FRAME_BYTES = 1024
# After a run has ended and the main loop does not come back (a handler blocks it, or ignores its cancel): the process
# goes.
EXIT_SECONDS = 5.0
