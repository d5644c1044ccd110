//! The leases that the agent has: which are held, which run, and in which order those that wait are started.
//!
//! A lease is *held* from its delivery until its last report is acknowledged; held leases are what heartbeats name. It is *running*
//! until its work has really ended, held or not: running work takes a slot.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    effect::{Key, StopReason},
    time::{NEVER, Time},
};
use crate::v1;

/// Where a lease stands in the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In the agent's queue.
    Waiting,
    /// In a slot.
    Running,
    /// Its last report is made.
    Ended,
}

/// One lease and what the session knows of it.
#[derive(Debug)]
pub struct HeldLease {
    pub message: Arc<v1::Lease>,
    /// Of the set of leases held, when this one came to it: a heartbeat of this version or a later one names it.
    pub version: u64,
    pub ttl: Duration,
    /// The time to live runs from here at the earliest, before any echoed heartbeat named the lease.
    pub trusted_time: Time,
    pub phase: Phase,
    pub held: bool,
    pub stop: Option<StopReason>,
    /// How many outcomes of it the coordinator called invalid.
    pub refused: u32,
    /// The newest progress that was not sent.
    pub progress: Option<v1::Progress>,
    /// From when progress may be sent again.
    pub progress_time: Time,
    pub progress_in_flight: bool,
}

impl HeldLease {
    /// Whether its work is to be told so. The first reason stands, since the work was told it; only a cancel, being final, wins.
    pub fn may_stop(&self, reason: StopReason) -> bool {
        match self.stop {
            None => true,
            Some(StopReason::Dropped) => false,
            Some(_) => reason == StopReason::Cancel,
        }
    }
}

/// All leases of the agent.
#[derive(Debug, Default)]
pub struct LeaseTable {
    slots: usize,
    queue_limit: usize,
    /// One more with each lease that comes to the held set or goes from it.
    pub version: u64,
    pub running: usize,
    pub held: usize,
    /// Running and not held any more.
    lingering: usize,
    /// Not longer than the time to live of any lease held; exact after `references`.
    pub shortest_ttl: Duration,
    leases: BTreeMap<Key, HeldLease>,
    waiting: VecDeque<Key>,
    running_tasks: BTreeSet<String>,
}

impl LeaseTable {
    pub fn new(slots: usize, queue_limit: usize) -> Self {
        Self { slots, queue_limit, shortest_ttl: NEVER, ..Self::default() }
    }

    /// The lease, held or running.
    pub fn get(&mut self, key: &Key) -> Option<&mut HeldLease> {
        self.leases.get_mut(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &HeldLease)> {
        self.leases.iter()
    }

    /// The keys of the leases that are neither started nor ended, oldest first.
    pub fn waiting(&self) -> Vec<Key> {
        self.waiting.iter().cloned().collect()
    }

    /// Whether one more lease would be more than the agent offered to take.
    pub fn full(&self) -> bool {
        self.load() >= self.slots + self.queue_limit
    }

    /// What lingers is no lease any more: one that comes for its slot waits for its end.
    fn load(&self) -> usize {
        self.waiting.len() + self.running - self.lingering
    }

    /// Takes in a lease, at the end of the agent's queue.
    pub fn add(&mut self, message: v1::Lease, ttl: Duration, trusted_time: Time) -> Key {
        let key = Key::from(&message);
        self.version += 1;
        self.held += 1;
        self.shortest_ttl = self.shortest_ttl.min(ttl);
        self.waiting.push_back(key.clone());
        let lease = HeldLease {
            message: Arc::new(message),
            version: self.version,
            ttl,
            trusted_time,
            phase: Phase::Waiting,
            held: true,
            stop: None,
            refused: 0,
            progress: None,
            progress_time: Time::ZERO,
            progress_in_flight: false,
        };
        self.leases.insert(key.clone(), lease);
        key
    }

    /// Starts as many waiting leases as slots are free, oldest first. A task whose earlier work still runs waits for its end.
    pub fn start(&mut self) -> Vec<Arc<v1::Lease>> {
        let mut started = Vec::new();
        let mut index = 0;
        while self.running < self.slots && index < self.waiting.len() {
            if self.running_tasks.contains(&self.waiting[index].task_id) {
                index += 1;
            } else if let Some(key) = self.waiting.remove(index) {
                started.extend(self.start_one(&key));
            }
        }
        started
    }

    fn start_one(&mut self, key: &Key) -> Option<Arc<v1::Lease>> {
        let lease = self.leases.get_mut(key)?;
        lease.phase = Phase::Running;
        self.running += 1;
        self.running_tasks.insert(key.task_id.clone());
        Some(Arc::clone(&lease.message))
    }

    /// The lease's work is over, or will never start: its slot, or its place in the queue, is free.
    pub fn end(&mut self, key: &Key) {
        let Some(lease) = self.leases.get_mut(key) else { return };
        let held = lease.held;
        match std::mem::replace(&mut lease.phase, Phase::Ended) {
            Phase::Waiting => self.waiting.retain(|each| each != key),
            Phase::Running => {
                self.running -= 1;
                self.lingering -= usize::from(!held);
                self.running_tasks.remove(&key.task_id);
            }
            Phase::Ended => {}
        }
        if !held {
            self.leases.remove(key);
        }
    }

    /// Takes the lease off the held set. If its work still runs, its slot stays taken until `end`.
    pub fn forget(&mut self, key: &Key) {
        let Some(lease) = self.leases.get_mut(key) else { return };
        let phase = lease.phase;
        if std::mem::replace(&mut lease.held, false) {
            self.version += 1;
            self.held -= 1;
            self.lingering += usize::from(phase == Phase::Running);
        }
        if phase != Phase::Running {
            self.end(key);
        }
    }

    /// The waiting leases that cannot stay if so many slots are left: those of tasks that are stuck, and the newest that are too many;
    /// all of them if no slot is left.
    pub fn surplus(&self, slots: usize, stuck: &BTreeSet<String>) -> Vec<Key> {
        let room = if slots > 0 { slots + self.queue_limit } else { 0 };
        let (mut found, others): (Vec<&Key>, Vec<&Key>) =
            self.waiting.iter().rev().partition(|key| stuck.contains(&key.task_id));
        let many = self.load().saturating_sub(found.len() + room);
        found.extend(others.into_iter().take(many));
        found.into_iter().cloned().collect()
    }

    /// The set of leases held, as heartbeats and Hello name it.
    pub fn references(&mut self) -> Vec<v1::LeaseReference> {
        let held = self.leases.iter().filter(|(_, lease)| lease.held);
        self.shortest_ttl = held.clone().map(|(_, lease)| lease.ttl).min().unwrap_or(NEVER);
        held.map(|(key, _)| key.reference()).collect()
    }
}
