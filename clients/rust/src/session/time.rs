//! The session's time, which its owner brings: how long it is since some moment in the past, on a clock that never jumps.

use std::time::Duration;

/// A moment.
pub type Time = Duration;

/// What never comes.
pub const NEVER: Time = Duration::MAX;

/// A moment so long after another one. After `NEVER`, and so long after, is never.
pub fn after(time: Time, wait: Duration) -> Time {
    time.saturating_add(wait)
}

/// A duration of the contract. Unset and negative ones are none.
pub fn duration(found: Option<&prost_types::Duration>) -> Duration {
    found.and_then(|each| Duration::try_from(*each).ok()).unwrap_or_default()
}

/// The same with something else in place of none.
pub fn duration_or(found: Option<&prost_types::Duration>, otherwise: Duration) -> Duration {
    match duration(found) {
        Duration::ZERO => otherwise,
        set => set,
    }
}
