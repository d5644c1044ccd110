"""The bounds of the rules, each with its reason. Bounds of processes stand in their own `limits.py`."""

# An agent that rejected or lost a task does not get it again for so long: long enough for a node to be replaced or a
# bad configuration to show, short enough that a fleet of one comes back by itself.
AVOID_MICROS = 10_000_000

# A task whose attempt failed is left to other agents, if there are any, until so long after its retry is ready: long
# enough for one of them to get a free slot, short enough that no task waits for ever beside an agent that would do.
AVOID_FAILED_MICROS = 300_000_000

# More agents than this are not remembered per task: the row stays narrow, and the oldest entry is the one that has
# waited longest.
AVOIDED_AGENTS_MAX = 8

# What an agent still holds so long after the deadline of its drain is taken back: it has not obeyed. Longer than a
# command has between SIGTERM and SIGKILL, so that the agent's own report comes first.
DRAIN_GRACE_MICROS = 10_000_000

# Incarnations of an agent that are refused for good. A process older than 32 restarts of its agent is not alive any
# more.
SUPERSEDED_MAX = 32

# A submit that a deep queue refuses is told to come back after one to two times this, by chance: a backlog of thousands
# moves by nine tenths in seconds, not sooner, and nobody comes back with everybody else.
REFUSED_RETRY_SECONDS = 1.0

# One that a rate refuses is told when its turn may be, within these bounds: not so soon that asking costs more than
# the work, and not so late that a client holds a task back for longer than a queue usually is too deep.
THROTTLED_RETRY_SECONDS_MIN = 0.1
THROTTLED_RETRY_SECONDS_MAX = 30.0
