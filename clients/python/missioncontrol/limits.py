"""Every bound of the SDK by name, with its reason: sizes, counts, waits. No code.

The limits that a service enforces stand in the contract's own rules and are not repeated here, but for those that the
SDK must know to cut its messages.
"""

from __future__ import annotations

# --- The channel

# The services take 4 MiB; a larger answer than that is a mistake somewhere.
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
# Pings more often than every 10 s are answered with ENHANCE_YOUR_CALM; well above, since both ends round. With the
# timeout it is 20 s until calls and streams leave a coordinator that fell silent: as long as agents take.
KEEPALIVE_SECONDS = 15.0
# A host that vanished without a word is noticed after this, once a ping is out.
KEEPALIVE_TIMEOUT_SECONDS = 5.0
# A coordinator restarts in about a second; a long backoff would be most of the outage.
RECONNECT_BACKOFF_SECONDS = 0.2
RECONNECT_BACKOFF_SECONDS_MAX = 2.0
# gRPC asks the DNS at most this often; its own default, 30 s, is longer than a rolling update takes to move a pod.
RESOLVE_AGAIN_SECONDS = 5.0
# Addresses an agent remembers; a team has a handful of coordinators.
ADDRESSES_MAX = 32

# --- The client

# A call's deadline with all its retries: long enough for a coordinator's restart, short enough for a person.
CALL_SECONDS = 30.0
# One try within it, so that a connection that swallows requests does not eat the whole deadline.
TRY_SECONDS_MAX = 10.0
# Where there is another address to try, a try takes half of what is left, but a deadline this near is not cut up.
TRY_SECONDS_MIN = 1.0
# Between tries: doubling from the first to the second, each with full jitter.
RETRY_BACKOFF_SECONDS = 0.1
RETRY_BACKOFF_SECONDS_MAX = 2.0
# A queue without room says when to come back; one that does not is asked again after this.
ROOM_SECONDS = 1.0
# BatchCreateTasks takes 1000 and the service 4 MiB a message; a batch is cut at whichever comes first.
BATCH_TASKS_MAX = 1000
BATCH_BYTES_MAX = 3 * 1024 * 1024
# What the namespace, the request id and the framing add to a request.
REQUEST_OVERHEAD_BYTES = 128
# Pages of lists: the most that the services give at once.
PAGE_SIZE_MAX = 1000
# A stream that breaks is opened again for so long without a message; a longer outage is an error for somebody to see.
OUTAGE_SECONDS = 300.0
