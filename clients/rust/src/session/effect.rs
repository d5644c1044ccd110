//! What the session asks its owner to do, and why work is stopped. Plain values.

use std::{fmt, sync::Arc, time::Duration};

use crate::v1;

/// A lease's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The task.
    pub task_id: String,
    /// The token of the attempt.
    pub token: u64,
}

impl Key {
    /// The same as a message.
    pub fn reference(&self) -> v1::LeaseReference {
        v1::LeaseReference { task_id: self.task_id.clone(), token: self.token }
    }
}

impl From<&v1::LeaseReference> for Key {
    fn from(named: &v1::LeaseReference) -> Self {
        Self { task_id: named.task_id.clone(), token: named.token }
    }
}

impl From<&v1::Lease> for Key {
    fn from(lease: &v1::Lease) -> Self {
        Self { task_id: lease.task_id.clone(), token: lease.token }
    }
}

/// Why work that has started must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody cancelled the task.
    Cancel,
    /// Its time limit for running has passed.
    Timeout,
    /// No coordinator has confirmed the lease for too long, so somebody else may soon have it.
    Lost,
    /// The lease is not this agent's any more: whatever comes of the work, nobody will hear of it.
    Dropped,
    /// The agent drains, and the time for that is over.
    Drain,
}

impl fmt::Display for StopReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cancel => "the task was cancelled",
            Self::Timeout => "the time limit for running was exceeded",
            Self::Lost => "the lease could not be renewed in time",
            Self::Dropped => "the lease is not this agent's any more",
            Self::Drain => "the agent is draining",
        })
    }
}

/// What the owner is to do, in the order in which it is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start this work: a slot is free for it. `Session::ended` follows when it has ended.
    Start(Arc<v1::Lease>),
    /// Tell this work to stop.
    Stop(Key, StopReason),
    /// Drop this stream and open another.
    Reconnect(Reconnect),
    /// The drain is over: end the stream, for good.
    Leave,
}

/// Why, and how, to connect again.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconnect {
    /// For logs.
    pub why: String,
    /// How long to wait, besides the random time.
    pub delay: Duration,
    /// At another address, if there is one.
    pub elsewhere: bool,
}
