/** Every bound of an agent's session by name, with its reason. Some are the contract's own: messages must be cut to them. */

export const PROTOCOL_VERSION = 1;

/** The contract's bounds of one message. */
export const BATCH_ITEMS_MAX = 128;
export const BATCH_BYTES_MAX = 256 * 1024;
/** The contract's bound of a payload, and of texts. */
export const PAYLOAD_BYTES_MAX = 256 * 1024;
export const FAILURE_MESSAGE_BYTES_MAX = 8 * 1024;
export const FAILURE_CODE_BYTES_MAX = 128;
export const NOTE_BYTES_MAX = 1024;

/** No Welcome for so long: the address is taken for dead, and the next one is tried. */
export const WELCOME_SECONDS = 10;
/** Used until a Welcome names its own. */
export const HEARTBEAT_SECONDS = 5;
export const ECHO_SECONDS = 12;
/** Heartbeats in the time to live of the shortest lease held: the contract says six. */
export const HEARTBEATS_PER_TTL = 6;
/** A coordinator that is so many heartbeats behind has not answered for far longer than the echo timeout. */
export const UNECHOED_MAX = 1024;
/** The agent stops a lease's work by itself after this part of the time to live: the rest is for the coordinator's clock. */
export const SELF_STOP_PART = 2 / 3;
/** A lease that arrives is trusted for this part of its time to live before any heartbeat has named it. */
export const UNCONFIRMED_PART = 1 / 3;
/** A receipt waits for so long for a report that can say the same. */
export const RECEIPT_PAUSE_SECONDS = 0.02;
/** The coordinator records progress once a second; more would only be thrown away there. */
export const PROGRESS_SECONDS = 1;
/** Reports that nobody has acknowledged are kept in memory; beyond this no further work is started. */
export const UNACKNOWLEDGED_BYTES_MAX = 64 * 1024 * 1024;
/** Work whose lease is gone may take so long to stop before the coordinator is told that its slot is not free. */
export const LINGERING_SECONDS = 6;
/** Waits between two streams: first the Welcome's jitter, or this where there was none; then doubling, with full jitter. */
export const RECONNECT_SECONDS = 0.1;
export const RECONNECT_SECONDS_MAX = 3;
/** How long work may go on after the agent was told to leave, and how long, when that is over, it may take to stop. */
export const DRAIN_SECONDS = 30;
export const LEAVE_SECONDS = 8;
/** The coordinator ends the stream after a Goodbye; not waited for longer than this. */
export const GOODBYE_SECONDS = 2;
