//! Every bound of the session by name, with its reason.

use std::time::Duration;

/// The contract's bounds of one message.
pub const BATCH_ITEMS_MAX: usize = 128;
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// No Welcome for so long: the address is taken for dead, and the next one is tried.
pub const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// Used until a Welcome names its own.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
pub const ECHO_TIMEOUT: Duration = Duration::from_secs(12);
pub const RECONNECT_JITTER: Duration = Duration::from_millis(100);
/// Heartbeats in the time to live of the shortest lease held: the contract says six.
pub const HEARTBEATS_PER_TTL: u32 = 6;
/// So many echoes may be waited for at once; a coordinator that is further behind has not answered for far longer than the timeout.
pub const UNECHOED_MAX: usize = 1024;
/// A receipt waits for so long for a report that can say the same.
pub const RECEIPT_PAUSE: Duration = Duration::from_millis(20);
/// The coordinator records progress once a second; more would only be thrown away there.
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Outcomes that are not acknowledged are kept in memory; beyond this no further work is started. What runs then still ends, so the
/// true bound is this plus one payload for each slot.
pub const UNACKNOWLEDGED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Work whose lease is gone may take so long to stop before the coordinator is told that its slot is not free.
pub const LINGERING_MAX: Duration = Duration::from_secs(6);
/// The coordinator ends the stream after a Goodbye; it is not waited for longer than this.
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// What people read in a report. The contract's bound is 1 KiB.
pub const MESSAGE_BYTES_MAX: usize = 1000;
/// Outcomes of one lease that the coordinator may call invalid before the lease is given back, and then given up.
pub const REFUSED_OUTCOMES_MAX: u32 = 2;

/// The agent stops a lease's work by itself after this part of its time to live: the rest is for the coordinator's clock.
pub fn self_stop(ttl: Duration) -> Duration {
    ttl / 3 * 2
}

/// A lease that arrives is trusted for this part of its time to live before any heartbeat has named it.
pub fn unconfirmed(ttl: Duration) -> Duration {
    ttl / 3
}
