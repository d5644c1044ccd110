//! What the end of a stream means: connect again, or give up and say why.

use tonic::Code;

use super::AgentError;
use crate::error::Error;

const INCARNATION_SUPERSEDED: &str = "INCARNATION_SUPERSEDED";

/// Why the agent must end; `None` if it is to connect again. After Welcome only a superseded incarnation is fatal: everything else a
/// later stream, or another coordinator, may mend.
pub fn verdict(error: &Error, agent_id: &str, welcomed: bool) -> Option<AgentError> {
    let agent_id = agent_id.to_owned();
    if error.reason() == INCARNATION_SUPERSEDED {
        return Some(AgentError::Superseded { agent_id });
    }
    // What an answer to a Hello says about the agent itself: asking again, anywhere, gives the same answer.
    let about_the_agent = matches!(
        error.code(),
        Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
    );
    (about_the_agent && !welcomed).then(|| AgentError::Refused { agent_id, error: error.clone() })
}

#[cfg(test)]
mod tests {
    use tonic::Status;
    use tonic_types::pb;

    use super::*;

    fn superseded() -> Error {
        let info = pb::ErrorInfo { reason: INCARNATION_SUPERSEDED.into(), ..Default::default() };
        let value = prost::Message::encode_to_vec(&info);
        let detail = prost_types::Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value };
        Error::from(pb::Status { code: Code::FailedPrecondition.into(), message: String::new(), details: vec![detail] })
    }

    #[test]
    fn a_newer_incarnation_ends_the_agent_at_any_time() {
        for welcomed in [false, true] {
            assert!(matches!(verdict(&superseded(), "a", welcomed), Some(AgentError::Superseded { .. })));
        }
    }

    #[test]
    fn a_refusal_ends_the_agent_only_in_place_of_a_welcome() {
        let error = Error::from(Status::invalid_argument("no"));

        assert!(matches!(verdict(&error, "a", false), Some(AgentError::Refused { .. })));
        assert!(verdict(&error, "a", true).is_none());
    }

    #[test]
    fn every_other_end_means_to_connect_again() {
        for code in [Code::Unavailable, Code::Internal, Code::Cancelled, Code::Aborted, Code::Unknown] {
            assert!(verdict(&Error::from(Status::new(code, "")), "a", false).is_none());
        }
    }
}
