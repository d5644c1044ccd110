//! Whether the agent takes work, and until when what runs may run on: its own leaving, and drains that were ordered.

use std::time::Duration;

use super::{
    limits::GOODBYE_TIMEOUT,
    time::{NEVER, Time, after},
};
use crate::v1;

/// The agent's own drain is for good; one that was ordered may be called off.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is changed by another happening")]
pub struct Drain {
    /// The agent leaves.
    pub own: bool,
    /// The coordinator wants it empty.
    ordered: bool,
    pub notice_due: bool,
    /// Goodbye was said, or there was nobody to say it to.
    pub left: bool,
    own_time: Time,
    ordered_time: Time,
    /// When work that did not stop is left behind.
    pub leave_time: Time,
    end_time: Time,
}

impl Drain {
    pub fn new() -> Self {
        Self {
            own: false,
            ordered: false,
            notice_due: false,
            left: false,
            own_time: NEVER,
            ordered_time: NEVER,
            leave_time: NEVER,
            end_time: NEVER,
        }
    }

    /// Whether no work is started or taken.
    pub fn closed(&self) -> bool {
        self.own || self.ordered
    }

    /// When time alone changes something, besides `leave_time`.
    pub fn next_time(&self) -> Time {
        let unheard_time = after(self.leave_time, GOODBYE_TIMEOUT);
        self.own_time.min(self.ordered_time).min(self.end_time).min(unheard_time)
    }

    /// The agent leaves: what runs may do so for `drain`; after `grace` more it is left behind. A second call may shorten the time.
    pub fn leave_within(&mut self, now: Time, drain: Duration, grace: Duration) {
        self.notice_due |= !self.own;
        self.own = true;
        self.own_time = self.own_time.min(after(now, drain));
        self.leave_time = self.leave_time.min(after(after(now, drain), grace));
    }

    /// A drain was ordered. Repeating it does not make the time longer.
    pub fn order(&mut self, now: Time, limit: Duration) {
        self.ordered = true;
        self.ordered_time = self.ordered_time.min(after(now, limit));
    }

    /// The ordered drain is called off.
    pub fn resume(&mut self) {
        self.ordered = false;
        self.ordered_time = NEVER;
    }

    /// Whether what still runs must stop now; said once for each limit.
    pub fn time_is_up(&mut self, now: Time) -> bool {
        let up = now >= self.own_time.min(self.ordered_time);
        for limit in [&mut self.own_time, &mut self.ordered_time] {
            if now >= *limit {
                *limit = NEVER;
            }
        }
        up
    }

    /// The last message, once nothing is left to do, or the time for leaving is over.
    pub fn goodbye(&mut self, idle: bool, now: Time) -> Option<v1::Goodbye> {
        if !self.own || self.left || !(idle || now >= self.leave_time) {
            return None;
        }
        self.left = true;
        self.leave_time = NEVER;
        self.end_time = after(now, GOODBYE_TIMEOUT);
        let message = if idle { "the agent leaves" } else { "the agent leaves; some work did not stop in time" };
        Some(v1::Goodbye { message: message.into() })
    }

    /// Whether the stream, if there is one, can end for good: after Goodbye, or without one if nobody hears it. Said once.
    pub fn leaves(&mut self, idle: bool, connected: bool, now: Time) -> bool {
        if self.left {
            let over = now >= self.end_time;
            if over {
                self.end_time = NEVER;
            }
            return over;
        }
        // A coordinator that does not read keeps Goodbye from being sent: it is not waited for either.
        let unheard = now >= after(self.leave_time, GOODBYE_TIMEOUT);
        let alone = !connected && (idle || now >= self.leave_time);
        self.left = self.own && (unheard || alone);
        if self.left {
            self.leave_time = NEVER;
        }
        self.left
    }
}
