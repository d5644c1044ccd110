//! One stream on a connection of its own. A peer that does not read fills `outgoing`, and blocks nothing else.

use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    connection::endpoint,
    error::Error,
    v1::{AgentMessage, CoordinatorMessage, agent_service_client::AgentServiceClient},
};

/// Answers that were read and not dealt with yet. More would only hide from the coordinator that the agent is slow.
const INCOMING_MAX: usize = 16;

/// What comes from the stream, its end at last. `Ok` is an end with OK.
#[derive(Debug)]
pub enum Arrival {
    Message(Box<CoordinatorMessage>),
    End(Result<(), Error>),
}

/// Dropping it ends the stream and the connection.
#[derive(Debug)]
pub struct Link {
    pub address: String,
    /// Takes one message at a time, so that what is sent next is decided as late as can be.
    pub outgoing: Sender<AgentMessage>,
    pub incoming: Receiver<Arrival>,
    task: JoinHandle<()>,
}

impl Link {
    /// Dials and says hello, in the background.
    pub fn open(address: &str, hello: AgentMessage) -> Self {
        let (outgoing, messages) = channel(1);
        let (arrivals, incoming) = channel(INCOMING_MAX);
        let greeted = outgoing.try_send(hello);
        debug_assert!(greeted.is_ok(), "a new channel has room");
        let dialled = address.to_owned();
        let task = tokio::spawn(async move {
            let end = converse(&dialled, messages, &arrivals).await;
            // Nobody listens any more if the link was dropped meanwhile.
            let _ = arrivals.send(Arrival::End(end)).await;
        });
        Self { address: address.into(), outgoing, incoming, task }
    }

    /// Whether the message before is not on its way yet.
    pub fn full(&self) -> bool {
        self.outgoing.capacity() == 0 && !self.outgoing.is_closed()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(address: &str, messages: Receiver<AgentMessage>, arrivals: &Sender<Arrival>) -> Result<(), Error> {
    let channel = endpoint(address).map_err(|error| tonic::Status::unavailable(error.to_string()))?.connect_lazy();
    let answer = AgentServiceClient::new(channel).connect(ReceiverStream::new(messages)).await?;
    let mut stream = answer.into_inner();
    while let Some(message) = stream.message().await? {
        if arrivals.send(Arrival::Message(Box::new(message))).await.is_err() {
            break;
        }
    }
    Ok(())
}
