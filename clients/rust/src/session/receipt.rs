//! Which batches of leases arrived on this stream and were not confirmed yet. A receipt waits for a moment, so that reports that come
//! anyway can say it.

use super::{
    limits::RECEIPT_PAUSE,
    time::{NEVER, Time, after},
};

/// Of one stream.
#[derive(Debug)]
pub struct Receipts {
    /// When it has to be said by itself.
    pub due_time: Time,
    arrived: u64,
    confirmed: u64,
}

impl Receipts {
    pub fn new() -> Self {
        Self { due_time: NEVER, arrived: 0, confirmed: 0 }
    }

    /// The batch with this number is here, and so are all before it.
    pub fn arrive(&mut self, batch: u64, now: Time) {
        self.arrived = batch;
        self.due_time = self.due_time.min(after(now, RECEIPT_PAUSE));
    }

    /// The newest batch, for the message that confirms it; 0 if there is nothing new to say.
    pub fn take(&mut self) -> u64 {
        self.due_time = NEVER;
        if self.confirmed == self.arrived {
            return 0;
        }
        self.confirmed = self.arrived;
        self.confirmed
    }
}
