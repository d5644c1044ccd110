//! What runs the work: handlers by kind of task, and what each of them gets and gives.

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::mailbox::Mailbox;
use crate::{
    session::effect::{Key, StopReason},
    text::clip,
    v1,
};

/// The contract's bound of a line for people.
const NOTE_BYTES_MAX: usize = 1024;

pub(super) type Ending = Pin<Box<dyn Future<Output = Result<v1::Payload, WorkError>> + Send>>;
pub(super) type Handler = Arc<dyn Fn(Work) -> Ending + Send + Sync>;

/// The handlers of an agent, by kind of task.
#[derive(Clone, Default)]
pub struct Handlers(BTreeMap<String, Handler>);

impl Handlers {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the handler of a kind: a function that does the work and returns its output. It must stop soon when `work` is stopped.
    #[must_use]
    pub fn on<F, A>(mut self, kind: &str, handler: F) -> Self
    where
        F: Fn(Work) -> A + Send + Sync + 'static,
        A: Future<Output = Result<v1::Payload, WorkError>> + Send + 'static,
    {
        self.0.insert(kind.into(), Arc::new(move |work| Box::pin(handler(work))));
        self
    }

    pub(super) fn get(&self, kind: &str) -> Option<Handler> {
        self.0.get(kind).cloned()
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// One attempt at a task.
#[derive(Clone, Debug)]
pub struct Work {
    lease: Arc<v1::Lease>,
    stop: watch::Receiver<Option<StopReason>>,
    mailbox: Arc<Mailbox>,
}

impl Work {
    pub(super) fn new(lease: Arc<v1::Lease>, stop: watch::Receiver<Option<StopReason>>, mailbox: Arc<Mailbox>) -> Self {
        Self { lease, stop, mailbox }
    }

    /// All that there is to know for it: the task's id and spec, the token, how often it failed before, the last checkpoint.
    #[must_use]
    pub fn lease(&self) -> &v1::Lease {
        &self.lease
    }

    /// The input, read as JSON.
    ///
    /// # Errors
    /// If it is no JSON, or not such a value.
    pub fn decode<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        let payload = self.lease.spec.as_ref().and_then(|spec| spec.payload.as_ref());
        serde_json::from_slice(payload.map_or(&[], |payload| &payload.data))
    }

    /// Tells how far the work is: a fraction between 0 and 1 if that can be known, and a line for people. It may be called often: the
    /// newest is sent, at most once a second.
    pub fn progress(&self, fraction: impl Into<Option<f64>>, message: &str) {
        let fraction = fraction.into().filter(|each| !each.is_nan()).map(|each| each.clamp(0.0, 1.0));
        let progress = v1::Progress { fraction, message: clip(message, NOTE_BYTES_MAX) };
        self.mailbox.progress(Key::from(self.lease.as_ref()), progress);
    }

    /// Waits until the work must stop, and says why.
    pub async fn stopped(&self) -> StopReason {
        let mut stop = self.stop.clone();
        let told = stop.wait_for(Option::is_some).await.map(|reason| *reason);
        // An agent that is gone will never report this work.
        told.ok().flatten().unwrap_or(StopReason::Dropped)
    }

    /// Waits for a part of the work; drops it if the work must stop.
    ///
    /// # Errors
    /// `WorkError::Stopped`, for the handler to return.
    pub async fn unless_stopped<F: Future>(&self, part: F) -> Result<F::Output, WorkError> {
        tokio::select! {
            biased;
            _ = self.stopped() => Err(WorkError::Stopped),
            output = part => Ok(output),
        }
    }
}

/// Why a handler has no output.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkError {
    /// The work failed.
    Failed(Failure),
    /// It stopped before it was done, since it was told to.
    Stopped,
}

impl From<Failure> for WorkError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A failure of the work, as the contract has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// The application's own, on which retry policies can select.
    pub code: String,
    /// Trying again is pointless, whatever the policy says.
    pub permanent: bool,
    /// The failure's class.
    pub reason: v1::FailureReason,
}

impl Failure {
    /// An error of the work itself.
    #[must_use]
    pub fn new(code: &str, message: impl fmt::Display) -> Self {
        let reason = v1::FailureReason::Error;
        Self { message: message.to_string(), code: code.into(), permanent: false, reason }
    }

    /// The input is not what the handler takes: the same input will not do better.
    #[must_use]
    pub fn invalid_input(code: &str, message: impl fmt::Display) -> Self {
        Self { permanent: true, reason: v1::FailureReason::InvalidInput, ..Self::new(code, message) }
    }
}
