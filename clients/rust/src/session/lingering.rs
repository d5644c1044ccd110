//! Work whose lease is gone and that does not stop: it has a slot which the coordinator takes for free.
//!
//! For a moment that is as it should be, since work that is told to stop needs one. What takes longer is told by Hello: the agent
//! connects again with fewer slots, and once more when the work has ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    effect::Key,
    limits::LINGERING_MAX,
    time::{NEVER, Time, after},
};
use crate::v1;

/// What lingers, and what of it the last Hello told.
#[derive(Debug, Default)]
pub struct Lingering {
    /// With the time from which it counts as lingering.
    leases: BTreeMap<Key, (Time, Arc<v1::Lease>)>,
    told: BTreeSet<Key>,
}

impl Lingering {
    /// The lease is gone, its work was told to stop.
    pub fn begin(&mut self, key: &Key, lease: Arc<v1::Lease>, now: Time) {
        self.leases.entry(key.clone()).or_insert((after(now, LINGERING_MAX), lease));
    }

    /// Its work has ended.
    pub fn end(&mut self, key: &Key) {
        self.leases.remove(key);
    }

    /// Whether the coordinator should be told anew.
    pub fn changed(&self, now: Time) -> bool {
        self.overdue(now) != self.told
    }

    /// When time alone makes it so.
    pub fn due_time(&self) -> Time {
        let untold = self.leases.iter().filter(|(key, _)| !self.told.contains(key));
        untold.map(|(_, (time, _))| *time).min().unwrap_or(NEVER)
    }

    /// The tasks whose earlier work was told to linger: a new lease of one could not start here.
    pub fn told_tasks(&self) -> BTreeSet<String> {
        self.told.iter().map(|key| key.task_id.clone()).collect()
    }

    /// Takes off Hello what is not there to be used, and returns how many slots are left. None left is a drain.
    pub fn tell(&mut self, hello: &mut v1::Hello, now: Time) -> usize {
        self.told = self.overdue(now);
        let left = (hello.slots as usize).saturating_sub(self.told.len());
        match u32::try_from(left) {
            Ok(slots) if slots > 0 => hello.slots = slots,
            _ => hello.draining = true,
        }
        for key in &self.told {
            take_off(hello, &self.leases[key].1);
        }
        left
    }

    fn overdue(&self, now: Time) -> BTreeSet<Key> {
        self.leases.iter().filter(|(_, (time, _))| now >= *time).map(|(key, _)| key.clone()).collect()
    }
}

fn take_off(hello: &mut v1::Hello, lease: &v1::Lease) {
    let requirements = lease.spec.as_ref().and_then(|spec| spec.requirements.as_ref());
    for (name, amount) in requirements.iter().flat_map(|each| &each.resources) {
        if let Some(has) = hello.resources.get_mut(name) {
            *has = (*has - amount).max(0.0);
        }
    }
}
