//! The handlers at work, each in a task of the caller's runtime.

use std::{any::Any, collections::HashMap, sync::Arc};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, JoinError},
};

use super::{
    handler::{Failure, Handlers, Work, WorkError},
    mailbox::Mailbox,
};
use crate::{
    session::{
        effect::{Key, StopReason},
        outcome::Outcome,
    },
    text::clip,
    v1,
};

/// The contract's bounds. A larger output would not even fit into a message.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;
const FAILURE_MESSAGE_BYTES_MAX: usize = 8 * 1024;
const FAILURE_CODE_BYTES_MAX: usize = 128;

#[derive(Debug)]
struct Running {
    stop: watch::Sender<Option<StopReason>>,
    abort: AbortHandle,
}

/// What runs. Dropping it leaves nothing behind that runs on.
#[derive(Debug)]
pub struct Workers {
    handlers: Handlers,
    runtime: Handle,
    mailbox: Arc<Mailbox>,
    running: HashMap<Key, Running>,
}

impl Workers {
    pub fn new(handlers: Handlers, runtime: Handle, mailbox: Arc<Mailbox>) -> Self {
        Self { handlers, runtime, mailbox, running: HashMap::new() }
    }

    /// Starts the work of a lease. The mailbox gets its end.
    pub fn start(&mut self, lease: &Arc<v1::Lease>) {
        let key = Key::from(lease.as_ref());
        let (stop, told) = watch::channel(None);
        let work = Work::new(Arc::clone(lease), told, Arc::clone(&self.mailbox));
        let handler = self.handlers.get(lease.spec.as_ref().map_or("", |spec| &spec.kind));
        let run = self.runtime.spawn(async move {
            match handler {
                Some(handler) => handler(work).await,
                None => Err(Failure::invalid_input("NO_HANDLER", "no handler for this kind").into()),
            }
        });
        self.running.insert(key.clone(), Running { stop, abort: run.abort_handle() });
        let mailbox = Arc::clone(&self.mailbox);
        self.runtime.spawn(async move { mailbox.ended(key, outcome_of(run.await)) });
    }

    /// Tells work to stop.
    pub fn stop(&self, key: &Key, reason: StopReason) {
        if let Some(running) = self.running.get(key) {
            running.stop.send_replace(Some(reason));
        }
    }

    /// Work has ended.
    pub fn ended(&mut self, key: &Key) {
        self.running.remove(key);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.abort.abort();
        }
    }
}

/// A panic of a handler is a failure of the attempt and not the end of the agent.
fn outcome_of(result: Result<Result<v1::Payload, WorkError>, JoinError>) -> Outcome {
    match result {
        Ok(Ok(output)) if output.data.len() > OUTPUT_BYTES_MAX => {
            let message = format!("the output has {} bytes, at most {OUTPUT_BYTES_MAX} are taken", output.data.len());
            failed(&Failure { permanent: true, ..Failure::new("OUTPUT_TOO_LARGE", message) })
        }
        Ok(Ok(output)) => Outcome::Succeeded(output),
        Ok(Err(WorkError::Failed(failure))) => failed(&failure),
        Ok(Err(WorkError::Stopped)) => Outcome::Stopped,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => failed(&Failure::new("PANIC", format!("panic: {}", panic_text(panic.as_ref())))),
            Err(_) => Outcome::Stopped,
        },
    }
}

fn failed(failure: &Failure) -> Outcome {
    Outcome::Failed(v1::Failure {
        reason: failure.reason.into(),
        message: clip(&failure.message, FAILURE_MESSAGE_BYTES_MAX),
        code: clip(&failure.code, FAILURE_CODE_BYTES_MAX),
        permanent: failure.permanent,
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
