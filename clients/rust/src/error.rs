//! What a service, or the way to it, refused: the status with its details read.

use std::{fmt, time::Duration};

use prost::Message as _;
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::pb;

use crate::session::time::duration;

/// A call that failed.
#[derive(Clone, Debug)]
pub struct Error(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    code: Code,
    message: String,
    info: pb::ErrorInfo,
    fields: Vec<pb::bad_request::FieldViolation>,
    retry_delay: Option<Duration>,
    broken: bool,
}

impl Error {
    /// The gRPC status code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The code as the contract writes it, such as `NOT_FOUND`.
    #[must_use]
    pub fn code_name(&self) -> String {
        screaming(&format!("{:?}", self.0.code))
    }

    /// For people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Stable and for programs, such as `REQUEST_ID_REUSED`. Empty if no service said why: a proxy, a broken connection.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.info.reason
    }

    /// Who defined the reason: `missioncontrol`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.0.info.domain
    }

    /// A further fact by its name.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.0.info.metadata.get(name).map(String::as_str)
    }

    /// The fields of the request that are wrong: each has its path, what is wrong with it, and the rule's id as `reason`.
    #[must_use]
    pub fn fields(&self) -> &[pb::bad_request::FieldViolation] {
        &self.0.fields
    }

    /// How long to wait before trying again, where the service says so.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// Whether nobody answered: the connection broke, or the coordinator cannot do it now. The same call may do better elsewhere.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.0.broken || self.0.code == Code::Unavailable
    }

    /// Whether another stream may fare better. What a service says about the request itself stays as it is.
    pub(crate) fn is_final(&self) -> bool {
        let about_the_request = matches!(
            self.0.code,
            Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented
        );
        about_the_request && !self.0.broken
    }

    /// No answer within a time that the client has chosen.
    pub(crate) fn no_answer(within: Duration) -> Self {
        let message = format!("no answer within {} s", within.as_secs_f32());
        let mut error = Self::from(Status::deadline_exceeded(message));
        error.0.broken = true;
        error
    }

    fn read_detail(&mut self, detail: &prost_types::Any) {
        match detail.type_url.rsplit('/').next() {
            Some("google.rpc.ErrorInfo") => read(detail, &mut self.0.info),
            Some("google.rpc.BadRequest") => {
                let mut found = pb::BadRequest::default();
                read(detail, &mut found);
                self.0.fields.extend(found.field_violations);
            }
            Some("google.rpc.RetryInfo") => {
                let mut found = pb::RetryInfo::default();
                read(detail, &mut found);
                self.0.retry_delay = found.retry_delay.map(|delay| duration(Some(&delay)));
            }
            _ => {}
        }
    }
}

/// A detail that cannot be read is one that says nothing.
fn read<M: prost::Message + Default>(detail: &prost_types::Any, into: &mut M) {
    if let Ok(found) = M::decode(detail.value.as_slice()) {
        *into = found;
    }
}

impl From<pb::Status> for Error {
    /// Reads a status inside an answer, such as one item's result of a batch.
    fn from(status: pb::Status) -> Self {
        let mut error = Self(Box::new(Parts {
            code: Code::from_i32(status.code),
            message: status.message,
            info: pb::ErrorInfo::default(),
            fields: Vec::new(),
            retry_delay: None,
            broken: false,
        }));
        for detail in &status.details {
            error.read_detail(detail);
        }
        error
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        // The trailer grpc-status-details-bin has the whole google.rpc.Status.
        let details = pb::Status::decode(status.details()).unwrap_or_default().details;
        let source = std::error::Error::source(&status);
        let timed_out =
            std::iter::successors(source, |each| each.source()).any(<dyn std::error::Error>::is::<TimeoutExpired>);
        let code = if timed_out { Code::DeadlineExceeded } else { status.code() };
        let mut error = Self::from(pb::Status { code: code.into(), message: status.message().into(), details });
        // What a service answers has no source; what broke below gRPC has, and comes under many codes.
        error.0.broken = source.is_some();
        error
    }
}

impl fmt::Display for Error {
    /// One line: `INVALID_ARGUMENT, REASON: message [field: what is wrong]`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.code_name())?;
        if !self.reason().is_empty() {
            write!(formatter, ", {}", self.reason())?;
        }
        write!(formatter, ": {}", self.message())?;
        self.fields().iter().try_for_each(|each| write!(formatter, " [{}: {}]", each.field, each.description))
    }
}

impl std::error::Error for Error {}

/// `NotFound` as `NOT_FOUND`.
fn screaming(name: &str) -> String {
    let mut text = String::new();
    for each in name.chars() {
        if each.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(each.to_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(name: &str, message: &impl prost::Message) -> prost_types::Any {
        prost_types::Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: message.encode_to_vec() }
    }

    #[test]
    fn the_details_of_a_status_are_read() {
        let metadata = [("task_id".to_owned(), "7".to_owned())].into();
        let info = pb::ErrorInfo { reason: "INVALID".into(), domain: "missioncontrol".into(), metadata };
        let violation = pb::bad_request::FieldViolation {
            field: "spec.queue".into(),
            description: "is too long".into(),
            ..Default::default()
        };
        let wait = prost_types::Duration { seconds: 2, nanos: 500_000_000 };
        let details = vec![
            packed("ErrorInfo", &info),
            packed("BadRequest", &pb::BadRequest { field_violations: vec![violation] }),
            packed("RetryInfo", &pb::RetryInfo { retry_delay: Some(wait) }),
            packed("Help", &pb::Help::default()),
        ];
        let whole = pb::Status { code: 3, message: "no".into(), details }.encode_to_vec();

        let error = Error::from(Status::with_details(Code::InvalidArgument, "no", whole.into()));

        assert_eq!(error.to_string(), "INVALID_ARGUMENT, INVALID: no [spec.queue: is too long]");
        assert_eq!((error.domain(), error.metadata("task_id")), ("missioncontrol", Some("7")));
        assert_eq!(error.retry_delay(), Some(Duration::from_millis(2500)));
        assert!(error.is_final());
    }

    #[test]
    fn a_status_without_details_or_with_broken_ones_is_an_error_all_the_same() {
        let error = Error::from(Status::with_details(Code::Unavailable, "gone", vec![255].into()));

        assert_eq!(error.to_string(), "UNAVAILABLE: gone");
        assert!(error.is_unavailable());
    }
}
