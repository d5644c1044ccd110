"""Bounds of the event gateway, each with its reason. What operators may want to change is a setting in `config.py`."""

# What the ring may hold besides its number of events: large failure messages must not become a memory problem.
RING_BYTES_MAX = 256 * 1024 * 1024

# One write to a reader ends at whichever comes first. 64 events a write were 30 times faster than one by one; more
# bring little.
CHUNK_EVENTS_MAX = 512
CHUNK_BYTES_MAX = 64 * 1024

# Readers are woken at most once in this time: at full speed the coordinator sends thousands of small messages a second.
WAKE_INTERVAL_SECONDS = 0.005

# Above this many unsent bytes a reader's connection takes no further write; with one chunk more it is all that a
# reader can hold.
WRITE_BUFFER_BYTES_MAX = 16 * 1024

# Events of one history page: the contract's largest.
PAGE_EVENTS_MAX = 1_000
PAGE_EVENTS_DEFAULT = 100

# History pages that are asked for at once: readers far behind must not take the coordinator's time from work.
HISTORY_CALLS_MAX = 8
HISTORY_CALL_SECONDS_MAX = 10.0

# Between two attempts to reach a coordinator: at first, at most.
RECONNECT_SECONDS_MIN = 0.1
RECONNECT_SECONDS_MAX = 5.0

# One message of the coordinator: 1000 events, each with a failure message of 8 KiB, and some more.
MESSAGE_BYTES_MAX = 32 * 1024 * 1024

# Request line and headers of one request. Browsers and proxies stay below 16 KiB.
REQUEST_HEAD_BYTES_MAX = 32 * 1024

# Connections beyond those of readers: probes, scrapers, requests for pages.
CONNECTIONS_RESERVED = 256

# What a refused reader is told to wait.
RETRY_AFTER_SECONDS = 5

# Values of the query, as the contract's EventFilter bounds them. ("after" is judged as a position, and answered with a
# reset.)
PARAMETER_BYTES_MAX = {"namespace": 63, "queue": 128, "task": 64, "agent": 128}

# How much of an unreadable position is shown in the reset; a readable one is shorter.
REQUESTED_CHARACTERS_MAX = 128

# After the end of a response, what the peer has not read by then is thrown away.
LINGER_SECONDS_MAX = 10.0

# Between two attempts of one reader to get its history while no coordinator answers.
HISTORY_RETRY_SECONDS = 1.0

# The gRPC health service learns of a change of readiness within this time.
HEALTH_POLL_SECONDS = 0.5
