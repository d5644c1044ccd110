//! A stream of answers that is opened again when it breaks.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status, Streaming, transport::Channel};

use crate::{
    connection::{Backoff, Connection, TRY_TIMEOUT},
    error::Error,
};

/// A stream that breaks is opened again for so long without a message; a longer outage is an error for somebody to see.
const OUTAGE_MAX: Duration = Duration::from_secs(300);

/// The stream that is open now, if one is, and how the way to the next one went so far.
#[derive(Debug)]
pub(crate) struct Reopening<M> {
    connection: Arc<Connection>,
    stream: Option<Streaming<M>>,
    heard_time: Instant,
    backoff: Backoff,
}

impl<M> Reopening<M> {
    pub fn new(connection: Arc<Connection>) -> Self {
        Self { connection, stream: None, heard_time: Instant::now(), backoff: Backoff::default() }
    }

    /// The next message of the stream, which `open` opens if there is none; `None` if it has ended well. An error is one that opening it
    /// again will not mend. Dropping the future loses nothing.
    pub async fn next<A>(&mut self, open: impl Fn(Channel) -> A) -> Result<Option<M>, Error>
    where
        A: Future<Output = Result<Response<Streaming<M>>, Status>>,
    {
        loop {
            match self.receive(&open).await {
                Ok(message) => {
                    self.heard(message.is_none());
                    return Ok(message);
                }
                Err(error) => self.broken(error).await?,
            }
        }
    }

    /// Waits a little before the next stream, where one has ended well and too early: a coordinator that stops, politely.
    pub async fn pause(&mut self) {
        self.connection.advance();
        sleep(self.backoff.next()).await;
    }

    async fn receive<A>(&mut self, open: &impl Fn(Channel) -> A) -> Result<Option<M>, Error>
    where
        A: Future<Output = Result<Response<Streaming<M>>, Status>>,
    {
        if self.stream.is_none() {
            let opened = timeout(TRY_TIMEOUT, open(self.connection.channel())).await;
            self.stream = Some(opened.map_err(|_| Error::no_answer(TRY_TIMEOUT))??.into_inner());
        }
        match &mut self.stream {
            Some(stream) => Ok(stream.message().await?),
            None => Ok(None),
        }
    }

    fn heard(&mut self, ended: bool) {
        self.heard_time = Instant::now();
        if ended {
            self.stream = None;
        } else {
            self.backoff = Backoff::default();
        }
    }

    async fn broken(&mut self, error: Error) -> Result<(), Error> {
        self.stream = None;
        if error.is_final() || self.heard_time.elapsed() > OUTAGE_MAX {
            return Err(error);
        }
        self.pause().await;
        Ok(())
    }
}
