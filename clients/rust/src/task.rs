//! Tasks as their submitter sees them: submit, read, cancel, wait.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    client::Client,
    connection::Connection,
    error::Error,
    reopening::Reopening,
    v1::{self, task_service_client::TaskServiceClient},
};

impl Client {
    /// Submits one task and returns it as accepted, without its payload.
    ///
    /// A request without a request id gets one, so that the retries of this call make one task only. To repeat `submit` itself after an
    /// error, bring an id of your own. An empty namespace is the client's.
    ///
    /// # Errors
    /// If the service refuses it, or nobody answers in time.
    pub async fn submit(&self, mut request: v1::CreateTaskRequest) -> Result<v1::Task, Error> {
        self.complete(&mut request.spec.get_or_insert_default().namespace);
        if request.request_id.is_empty() {
            request.request_id = new_request_id();
        }
        let method = async |channel, request| TaskServiceClient::new(channel).create_task(request).await;
        Ok(self.call(request, method).await?.task.unwrap_or_default())
    }

    /// Reads one task whole.
    ///
    /// # Errors
    /// `NOT_FOUND`, or if nobody answers in time.
    pub async fn get(&self, task_id: &str) -> Result<v1::Task, Error> {
        let request = v1::GetTaskRequest { namespace: self.namespace().into(), task_id: task_id.into() };
        let method = async |channel, request| TaskServiceClient::new(channel).get_task(request).await;
        Ok(self.call(request, method).await?.task.unwrap_or_default())
    }

    /// Asks for a cancel and returns the task as it stands then. One that an agent holds ends a little later: `wait` for it.
    ///
    /// # Errors
    /// `NOT_FOUND`, or if nobody answers in time.
    pub async fn cancel(&self, task_id: &str, reason: &str) -> Result<v1::Task, Error> {
        let request = v1::CancelTaskRequest {
            namespace: self.namespace().into(),
            task_id: task_id.into(),
            reason: reason.into(),
            request_id: new_request_id(),
        };
        let method = async |channel, request| TaskServiceClient::new(channel).cancel_task(request).await;
        Ok(self.call(request, method).await?.task.unwrap_or_default())
    }

    /// Waits until the task has ended, however often the stream breaks, and returns it whole, whatever became of it.
    ///
    /// # Errors
    /// `NOT_FOUND`, or if nobody answers for five minutes.
    pub async fn wait(&self, task_id: &str) -> Result<v1::Task, Error> {
        let mut watch = self.watch(task_id);
        loop {
            let task = watch.next().await?;
            if is_terminal(task.state()) {
                return Ok(task);
            }
        }
    }

    /// Follows a task up to its end.
    #[must_use]
    pub fn watch(&self, task_id: &str) -> TaskWatch {
        TaskWatch::new(self.connection(), self.namespace(), task_id)
    }
}

/// Whether a state is final.
#[must_use]
pub fn is_terminal(state: v1::TaskState) -> bool {
    use v1::TaskState::{Cancelled, Expired, Failed, Succeeded};
    matches!(state, Succeeded | Failed | Cancelled | Expired)
}

pub(crate) fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

/// A task now, and again whenever it has changed.
#[derive(Debug)]
pub struct TaskWatch {
    request: v1::WatchTaskRequest,
    stream: Reopening<v1::WatchTaskResponse>,
}

impl TaskWatch {
    fn new(connection: Arc<Connection>, namespace: &str, task_id: &str) -> Self {
        let request =
            v1::WatchTaskRequest { namespace: namespace.into(), task_id: task_id.into(), follow_output: false };
        Self { request, stream: Reopening::new(connection) }
    }

    /// The task as it is now, and the next time when it has changed. States in between may be skipped; the terminal one never is, and
    /// whoever asks on after it gets it again. It connects again when the stream breaks.
    ///
    /// # Errors
    /// `NOT_FOUND`, or if nobody answers for five minutes.
    pub async fn next(&mut self) -> Result<v1::Task, Error> {
        loop {
            let request = &self.request;
            let open = async |channel| TaskServiceClient::new(channel).watch_task(request.clone()).await;
            match self.stream.next(open).await? {
                Some(v1::WatchTaskResponse { update: Some(v1::watch_task_response::Update::Task(task)) }) => {
                    return Ok(task);
                }
                // A kind of update that was not asked for, or that this client does not know.
                Some(_) => {}
                None => self.stream.pause().await,
            }
        }
    }
}
