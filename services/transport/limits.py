"""Bounds of the wire, each with its reason."""

# The contract's batches are at most about 256 KiB; a batch of 1000 small tasks is under 1 MiB. 4 MiB leaves room for
# a payload at its limit in each of a dozen items and stops everything that is no honest request.
RECEIVE_BYTES_MAX = 4 * 1024 * 1024

# gRPC peers refuse more than 8 KiB of metadata by default, and the status details are metadata, in base64 (4/3) and
# beside the message.
STATUS_DETAILS_BYTES_MAX = 3_072

# The status message is percent-encoded into the same 8 KiB.
STATUS_MESSAGE_CHARACTERS_MAX = 512

# Nobody reads more complaints about one request than this.
VIOLATIONS_MAX = 32

# A map key in the path of a field is shown up to here.
KEY_CHARACTERS_MAX = 64

# More calls at once than 10,000 agents and their observers make; beyond it, calls get RESOURCE_EXHAUSTED at once.
CONCURRENT_RPCS_MAX = 32_768

# A port for probes has a handful of watchers; more than these are somebody's mistake.
HEALTH_RPCS_MAX = 64

# How deep messages may be nested when a broken one is searched for its bad field; protobuf's own limit.
NESTING_MAX = 100
