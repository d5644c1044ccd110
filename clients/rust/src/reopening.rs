//! A stream of answers that is opened again when it breaks.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status, Streaming, transport::Channel};

use crate::{
    connection::{Backoff, Connection, TRY_TIMEOUT},
    error::Error,
};

/// Streams that break are opened again for so long, from the break of the last one that had something to say; a longer outage is an
/// error for somebody to see.
const OUTAGE_MAX: Duration = Duration::from_secs(300);

/// The stream that is open now, if one is, and how the way to the next one went so far.
#[derive(Debug)]
pub(crate) struct Reopening<M> {
    connection: Arc<Connection>,
    stream: Option<Streaming<M>>,
    outage: Outage,
    backoff: Backoff,
}

impl<M> Reopening<M> {
    pub fn new(connection: Arc<Connection>) -> Self {
        Self { connection, stream: None, outage: Outage::new(), backoff: Backoff::default() }
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
        self.outage.heard = true;
        if ended {
            self.stream = None;
        } else {
            self.backoff = Backoff::default();
        }
    }

    async fn broken(&mut self, error: Error) -> Result<(), Error> {
        self.stream = None;
        if self.outage.is_too_long() || error.is_final() {
            return Err(error);
        }
        self.pause().await;
        Ok(())
    }
}

/// For how long streams have broken without one that had something to say.
#[derive(Debug)]
struct Outage {
    since: Instant,
    heard: bool,
}

impl Outage {
    fn new() -> Self {
        Self { since: Instant::now(), heard: false }
    }

    /// A stream has broken. It may have had nothing to say for hours: the outage begins with the break.
    fn is_too_long(&mut self) -> bool {
        if std::mem::take(&mut self.heard) {
            self.since = Instant::now();
        }
        self.since.elapsed() > OUTAGE_MAX
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_begins_with_the_break_however_long_the_stream_was_quiet() {
        let mut outage = Outage::new();
        outage.heard = true;
        advance(2 * OUTAGE_MAX).await;
        assert!(!outage.is_too_long());
        advance(OUTAGE_MAX).await;
        assert!(!outage.is_too_long());
        advance(Duration::from_secs(1)).await;
        assert!(outage.is_too_long());
    }
}
