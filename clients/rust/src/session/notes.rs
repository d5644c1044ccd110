//! Progress on its way into the report log: the newest of each lease, at most once a second, one unacknowledged. That is what bounds
//! the log, however often the work reports.

use std::collections::BTreeSet;

use super::{
    effect::Key,
    lease::{LeaseTable, Phase},
    limits::PROGRESS_INTERVAL,
    report::ReportLog,
    time::{NEVER, Time, after},
};
use crate::v1::{self, report::Event};

/// The leases that have progress to tell.
#[derive(Debug)]
pub struct Notes {
    /// When `flush` may have something to send; not later than that.
    pub due_time: Time,
    pending: BTreeSet<Key>,
}

impl Notes {
    pub fn new() -> Self {
        Self { due_time: NEVER, pending: BTreeSet::new() }
    }

    /// Keeps the newest progress.
    pub fn progress(&mut self, key: &Key, progress: v1::Progress, leases: &mut LeaseTable) {
        let Some(lease) = leases.get(key).filter(|lease| lease.held && lease.phase == Phase::Running) else {
            return;
        };
        lease.progress = Some(progress);
        self.pending.insert(key.clone());
        if !lease.progress_in_flight {
            self.due_time = self.due_time.min(lease.progress_time);
        }
    }

    /// A progress was judged: the next one may go.
    pub fn acknowledged(&mut self, key: &Key, leases: &mut LeaseTable) {
        let Some(lease) = leases.get(key) else { return };
        lease.progress_in_flight = false;
        if self.pending.contains(key) {
            self.due_time = self.due_time.min(lease.progress_time);
        }
    }

    /// Puts into the log what may go now.
    pub fn flush(&mut self, leases: &mut LeaseTable, log: &mut ReportLog, now: Time) {
        if now < self.due_time {
            return;
        }
        self.due_time = NEVER;
        for key in std::mem::take(&mut self.pending) {
            self.flush_one(key, leases, log, now);
        }
    }

    fn flush_one(&mut self, key: Key, leases: &mut LeaseTable, log: &mut ReportLog, now: Time) {
        let Some(lease) = leases.get(&key) else { return };
        if lease.progress_in_flight {
            self.pending.insert(key);
        } else if now < lease.progress_time {
            self.due_time = self.due_time.min(lease.progress_time);
            self.pending.insert(key);
        } else if let Some(progress) = lease.progress.take() {
            lease.progress_in_flight = true;
            lease.progress_time = after(now, PROGRESS_INTERVAL);
            log.add(&key, Event::Progress(progress));
        }
    }

    /// The lease has nothing more to say.
    pub fn forget(&mut self, key: &Key) {
        self.pending.remove(key);
    }
}
