//! The environment of the two example programs, as clients/README.md names it.

use std::env;

/// The kind of task that the examples submit and run.
pub const KIND: &str = "example.digest";

/// A variable's value, or its default where it is unset or empty.
pub fn text(name: &str, otherwise: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.into())
}

/// Where the coordinators are.
pub fn address() -> String {
    text("MISSIONCONTROL_ADDRESS", "127.0.0.1:7070")
}

/// The namespace of all that the program does.
pub fn namespace() -> String {
    text("MISSIONCONTROL_NAMESPACE", "default")
}

/// A variable that is split at commas.
pub fn list(name: &str) -> Vec<String> {
    let value = text(name, "");
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect()
}
