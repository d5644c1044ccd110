//! Runs tasks of the kind `example.digest`, as clients/README.md describes them.

mod digest;
#[path = "../shared/settings.rs"]
mod settings;

use std::{process::ExitCode, str::FromStr, time::Duration};

use missioncontrol::{Agent, AgentConfig, AgentError, Handlers, LeaveHandle, host_name};
use tokio::signal::unix::{Signal, SignalKind, signal};

const MISCONFIGURED: u8 = 1;
const SUPERSEDED: u8 = 70;
const REFUSED: u8 = 78;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{error}");
    ExitCode::from(match error {
        AgentError::Misconfigured(_) => MISCONFIGURED,
        AgentError::Superseded { .. } => SUPERSEDED,
        AgentError::Refused { .. } => REFUSED,
    })
}

async fn run() -> Result<(), AgentError> {
    let drain_seconds = number("MISSIONCONTROL_AGENT_DRAIN_SECONDS", "30")?;
    let drain_time = Duration::try_from_secs_f64(drain_seconds)
        .map_err(|error| AgentError::Misconfigured(format!("MISSIONCONTROL_AGENT_DRAIN_SECONDS: {error}")))?;
    let agent = Agent::new(config()?, Handlers::new().on(settings::KIND, digest::digest))?;
    let failed = |error: std::io::Error| AgentError::Misconfigured(error.to_string());
    let terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(leave_on_signals(agent.leave_handle(), drain_time, terminate, interrupt));
    agent.run().await
}

fn config() -> Result<AgentConfig, AgentError> {
    Ok(AgentConfig {
        addresses: settings::address(),
        namespace: settings::namespace(),
        id: settings::text("MISSIONCONTROL_AGENT_ID", &host_name()),
        slots: number("MISSIONCONTROL_AGENT_SLOTS", "4")?,
        capabilities: settings::list("MISSIONCONTROL_AGENT_CAPABILITIES"),
        ..AgentConfig::default()
    })
}

fn number<N: FromStr>(name: &str, otherwise: &str) -> Result<N, AgentError> {
    let value = settings::text(name, otherwise);
    value.parse().map_err(|_| AgentError::Misconfigured(format!("{name}: \"{value}\" is no number that fits")))
}

/// The first signal drains the agent, the second ends the drain at once.
async fn leave_on_signals(leaving: LeaveHandle, drain_time: Duration, mut terminate: Signal, mut interrupt: Signal) {
    for wait in [drain_time, Duration::ZERO] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        leaving.leave(wait);
    }
}
