//! Payloads of JSON.

use serde::{Serialize, de::DeserializeOwned};

use crate::v1::Payload;

impl Payload {
    /// A value as JSON.
    ///
    /// # Errors
    /// If the value cannot be JSON, such as a map whose keys are no text.
    pub fn json(value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self { data: serde_json::to_vec(value)?, content_type: "application/json".into() })
    }

    /// The value that the JSON in it stands for.
    ///
    /// # Errors
    /// If it is no JSON, or not such a value.
    pub fn decode<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.data)
    }
}
