//! Which report ends a lease, given how its work ended and whether it had been told to stop.

use super::{
    effect::StopReason,
    limits::{MESSAGE_BYTES_MAX, REFUSED_OUTCOMES_MAX},
};
use crate::{
    text::clip,
    v1::{self, report::Event},
};

/// How work ended, as its handler saw it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done.
    Succeeded(v1::Payload),
    /// It failed.
    Failed(v1::Failure),
    /// It stopped before it was done, since it was told to.
    Stopped,
}

/// A lease's last report; `None` if nothing is to be said.
///
/// A success wins over everything but a time limit, which the coordinator enforces, too. What failed while it was being stopped for the
/// agent's own reasons is returned: the stop may have been the cause, and must not burn a retry.
pub fn final_event(outcome: Outcome, stop: Option<StopReason>) -> Option<Event> {
    Some(match (outcome, stop) {
        (_, Some(StopReason::Dropped)) => return None,
        (_, Some(StopReason::Timeout)) => failed(timeout_failure()),
        (Outcome::Succeeded(output), _) => Event::Succeeded(v1::Succeeded { output: Some(output), usage: None }),
        (_, Some(StopReason::Cancel)) => Event::Cancelled(v1::Cancelled::default()),
        (_, Some(reason)) => returned(&reason.to_string()),
        (Outcome::Failed(failure), None) => failed(failure),
        (Outcome::Stopped, None) => failed(unasked_failure()),
    })
}

/// What is reported in place of an outcome that the coordinator called invalid, after so many such refusals.
pub fn replacement(refused: u32, message: &str) -> Event {
    if refused >= REFUSED_OUTCOMES_MAX {
        return returned("the coordinator refused two outcomes of this lease");
    }
    failed(v1::Failure {
        reason: v1::FailureReason::Error.into(),
        message: clip(&format!("the coordinator refused the outcome: {message}"), MESSAGE_BYTES_MAX),
        code: "OUTCOME_REFUSED".into(),
        permanent: true,
    })
}

pub fn returned(why: &str) -> Event {
    Event::Returned(v1::Returned { message: why.into() })
}

pub fn rejected(why: &str) -> Event {
    Event::Rejected(v1::Rejected { message: clip(why, MESSAGE_BYTES_MAX) })
}

fn failed(failure: v1::Failure) -> Event {
    Event::Failed(v1::Failed { failure: Some(failure), output: None, usage: None })
}

fn timeout_failure() -> v1::Failure {
    let message = StopReason::Timeout.to_string();
    v1::Failure { reason: v1::FailureReason::Timeout.into(), message, ..v1::Failure::default() }
}

fn unasked_failure() -> v1::Failure {
    v1::Failure {
        reason: v1::FailureReason::Error.into(),
        message: "the work stopped although nobody had told it to".into(),
        code: "STOPPED_ITSELF".into(),
        permanent: false,
    }
}
