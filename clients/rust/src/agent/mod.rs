//! An agent holds one stream to a coordinator, takes leases on it, runs their handlers, and reports. The rules of the conversation are in
//! `session`; here they get a network, a clock and tasks.

mod addresses;
mod handler;
mod link;
mod mailbox;
mod runner;
mod stream_end;
mod workers;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

pub use handler::{Failure, Handlers, Work, WorkError};
use mailbox::Mailbox;
use runner::Runner;
use tokio::{
    runtime::{Builder, Handle},
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use uuid::Uuid;
use workers::Workers;

use crate::{
    address::{AddressError, parse_addresses},
    error::Error,
    session::Session,
    v1,
};

/// That of `agent_service.proto`.
const PROTOCOL_VERSION: u32 = 1;
const SDK: &str = concat!("missioncontrol-rust ", env!("CARGO_PKG_VERSION"));

/// What an agent is. `addresses` and `id` are needed.
#[derive(Clone, Debug, Default)]
pub struct AgentConfig {
    /// The coordinators', `host:port` each, separated by commas.
    pub addresses: String,
    /// The default one if it is empty.
    pub namespace: String,
    /// Unique in the namespace and the same over restarts of the process. Two processes with one id: the newer ends the older.
    pub id: String,
    /// How many tasks run at once; 0 means 1.
    pub slots: u32,
    /// How many leases it holds beyond its slots, not started.
    pub queue_limit: u32,
    /// What tasks may require of it.
    pub capabilities: Vec<String>,
    /// Labels that selectors match.
    pub labels: HashMap<String, String>,
    /// Resource name → amount that it has for tasks.
    pub resources: HashMap<String, f64>,
    /// The queues that it takes work from; none means all.
    pub queues: Vec<String>,
}

/// Why an agent cannot run, or must not run on.
#[derive(Clone, Debug)]
pub enum AgentError {
    /// The configuration makes no agent.
    Misconfigured(String),
    /// A newer process has this agent's id. This one must end and not come back: two would fight for ever.
    Superseded {
        /// The id.
        agent_id: String,
    },
    /// The coordinator does not take this agent as it is: a wrong id, label or kind, or a version too far apart.
    Refused {
        /// The id.
        agent_id: String,
        /// What the coordinator said.
        error: Error,
    },
}

impl fmt::Display for AgentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misconfigured(why) => formatter.write_str(why),
            Self::Superseded { agent_id } => write!(
                formatter,
                "a newer process has the agent id \"{agent_id}\", so this one ends: give each process an id of its own"
            ),
            Self::Refused { agent_id, error } => {
                write!(formatter, "the coordinator does not take the agent \"{agent_id}\": {error}")
            }
        }
    }
}

impl std::error::Error for AgentError {}

impl From<AddressError> for AgentError {
    fn from(error: AddressError) -> Self {
        Self::Misconfigured(error.to_string())
    }
}

/// One incarnation: one start of an agent's process.
#[derive(Debug)]
pub struct Agent {
    hello: v1::Hello,
    addresses: Vec<String>,
    handlers: Handlers,
    leaving: mpsc::UnboundedSender<Duration>,
    leave_orders: mpsc::UnboundedReceiver<Duration>,
}

impl Agent {
    /// Makes an agent, which `run` connects.
    ///
    /// # Errors
    /// If the configuration makes no agent.
    pub fn new(config: AgentConfig, handlers: Handlers) -> Result<Self, AgentError> {
        let addresses = parse_addresses(&config.addresses)?;
        if config.id.is_empty() || handlers.is_empty() {
            return Err(AgentError::Misconfigured("an agent needs an id and a handler".into()));
        }
        let (leaving, leave_orders) = mpsc::unbounded_channel();
        Ok(Self { hello: hello_of(config, &handlers), addresses, handlers, leaving, leave_orders })
    }

    /// What makes the agent leave while it runs.
    #[must_use]
    pub fn leave_handle(&self) -> LeaveHandle {
        LeaveHandle(self.leaving.clone())
    }

    /// Keeps the agent connected and runs its work, until it has left.
    ///
    /// The handlers run on the caller's runtime, the conversation on a thread of its own: a handler that blocks cannot delay heartbeats.
    /// Dropping the future ends both without a goodbye: the leases run out.
    ///
    /// # Errors
    /// If the agent must not go on.
    ///
    /// # Panics
    /// If the conversation has, which is a mistake in this crate.
    pub async fn run(self) -> Result<(), AgentError> {
        let (_alive, gone) = oneshot::channel();
        let mailbox = Arc::new(Mailbox::default());
        let workers = Workers::new(self.handlers, Handle::current(), Arc::clone(&mailbox));
        let session = Session::new(self.hello.clone());
        let runner =
            Runner::new(session, &self.hello.agent_id, self.addresses, workers, mailbox, self.leave_orders, gone);
        let conversation = spawn_blocking(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| AgentError::Misconfigured(error.to_string()))?.block_on(runner.run())
        });
        conversation.await.expect("the conversation does not panic")
    }
}

/// Makes an agent leave.
#[derive(Clone, Debug)]
pub struct LeaveHandle(mpsc::UnboundedSender<Duration>);

impl LeaveHandle {
    /// Starts the agent's drain: it takes nothing new, returns what has not started, lets what has started go on for so long, and leaves
    /// with a goodbye. A further call may shorten the time. It does nothing once the agent has ended.
    pub fn leave(&self, drain_time: Duration) {
        // An agent that has ended has nobody who listens.
        let _ = self.0.send(drain_time);
    }
}

fn hello_of(config: AgentConfig, handlers: &Handlers) -> v1::Hello {
    v1::Hello {
        protocol_version_min: PROTOCOL_VERSION,
        protocol_version_max: PROTOCOL_VERSION,
        namespace: config.namespace,
        agent_id: config.id,
        incarnation: Uuid::new_v4().to_string(),
        labels: config.labels,
        capabilities: config.capabilities,
        kinds: handlers.kinds(),
        queues: config.queues,
        slots: config.slots.max(1),
        queue_limit: config.queue_limit,
        resources: config.resources,
        sdk: SDK.into(),
        host: host_name(),
        ..v1::Hello::default()
    }
}

/// The name of this machine, as far as it is easily known.
#[must_use]
pub fn host_name() -> String {
    let named = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"));
    named.map_or_else(|_| "localhost".into(), |name| name.trim().into())
}
