//! What the work has to say, on its way from the handlers' runtime to the conversation's thread. It is bounded by what runs: the newest
//! progress and one end of each lease.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    session::{effect::Key, outcome::Outcome},
    v1,
};

/// Since it was last looked at.
#[derive(Debug, Default)]
pub struct Happenings {
    pub progress: BTreeMap<Key, v1::Progress>,
    pub ended: Vec<(Key, Outcome)>,
}

#[derive(Debug, Default)]
pub struct Mailbox {
    happenings: Mutex<Happenings>,
    filled: Notify,
}

impl Mailbox {
    pub fn progress(&self, key: Key, progress: v1::Progress) {
        self.lock().progress.insert(key, progress);
        self.filled.notify_one();
    }

    pub fn ended(&self, key: Key, outcome: Outcome) {
        self.lock().ended.push((key, outcome));
        self.filled.notify_one();
    }

    pub fn take(&self) -> Happenings {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until there is something in it.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Nothing panics while it holds the lock, so what is in it is whole in any case.
    fn lock(&self) -> MutexGuard<'_, Happenings> {
        self.happenings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
