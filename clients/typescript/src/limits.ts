/** Every bound of the client by name, with its reason: sizes, counts, waits. Those of agents are in session/limits.ts. */

/** The services take 4 MiB; a larger answer than that is a mistake somewhere. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Pings more often than every 10 s are answered with ENHANCE_YOUR_CALM; well above, since both ends round. */
export const PING_SECONDS = 15;

/** A host that vanished without a word is noticed after this, once a ping is out. */
export const PING_TIMEOUT_SECONDS = 5;

/** A call's deadline with all its retries: long enough for a coordinator's restart, short enough for a person. */
export const CALL_SECONDS = 30;

/** One try within it, so that a connection that swallows requests does not eat the whole deadline. */
export const TRY_SECONDS_MAX = 10;

/** Between tries: doubling from the first to the second, each with full jitter. */
export const BACKOFF_SECONDS = 0.1;
export const BACKOFF_SECONDS_MAX = 2;

/** A stream whose first message does not come within this is opened again: the services send one at once. */
export const STREAM_OPEN_SECONDS = 10;

/** A stream that breaks is opened again for so long without a message; a longer outage is an error for somebody to see. */
export const OUTAGE_SECONDS = 300;

/** Addresses that are remembered; a team has a handful of coordinators. */
export const ADDRESSES_MAX = 32;
