//! A connection to one or more coordinators.

use std::{future::Future, sync::Arc};

use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    address::{AddressError, parse_addresses},
    connection::Connection,
    error::Error,
};

/// Used where no namespace is named.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Submits tasks, waits for them, and follows the feed. A clone uses the same connection.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
    namespace: Arc<str>,
}

impl Client {
    /// Makes a client of coordinators' addresses, `host:port` each, separated by commas; without a port it is 7070. It does not wait for a
    /// connection: the first call does. An empty namespace is the default one. It must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If one of the addresses is none.
    pub fn connect(addresses: &str, namespace: &str) -> Result<Self, AddressError> {
        let connection = Connection::new(&parse_addresses(addresses)?)?;
        let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace };
        Ok(Self { connection: Arc::new(connection), namespace: namespace.into() })
    }

    /// The namespace of all that this client does.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Makes any unary call of the contract, with this client's deadline, retries and errors. It may be repeated on the way, so a write
    /// needs a request id.
    ///
    /// `method` gets a channel for a stub: `async |channel, request| QueueServiceClient::new(channel).get_queue(request).await`.
    ///
    /// # Errors
    /// If the service refuses it, or nobody answers in time.
    pub async fn call<M, R, F, A>(&self, message: M, method: F) -> Result<R, Error>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> A,
        A: Future<Output = Result<Response<R>, Status>>,
    {
        self.connection.call(message, method).await
    }

    pub(crate) fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    pub(crate) fn complete(&self, namespace: &mut String) {
        if namespace.is_empty() {
            namespace.push_str(&self.namespace);
        }
    }
}
