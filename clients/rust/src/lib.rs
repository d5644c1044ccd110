//! Mission Control for Rust: submit tasks, wait for them, follow the activity feed ([`Client`]), and run agents ([`Agent`]).
//!
//! A client gives every unary call a deadline, repeats calls that are safe to repeat (all of them are: each write carries a request id),
//! and turns what a service refuses into an [`Error`]. The messages and stubs of the contract are in [`v1`].

mod address;
mod agent;
mod client;
mod connection;
mod error;
mod feed;
mod payload;
mod reopening;
mod session;
mod task;
mod text;

/// The contract: what `buf generate` makes of `protos/missioncontrol/v1`.
#[allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all)]
pub mod v1 {
    include!("generated/missioncontrol/v1/missioncontrol.v1.rs");
}

pub use address::{AddressError, DEFAULT_PORT, parse_addresses};
pub use agent::{Agent, AgentConfig, AgentError, Failure, Handlers, LeaveHandle, Work, WorkError, host_name};
pub use client::{Client, DEFAULT_NAMESPACE};
pub use connection::CALL_TIMEOUT;
pub use error::Error;
pub use feed::{Feed, FeedMessage};
pub use session::effect::StopReason;
pub use task::{TaskWatch, is_terminal};
