//! The activity feed: every change, in order and without gaps, from a position on.

use std::sync::Arc;

use crate::{
    client::Client,
    connection::Connection,
    error::Error,
    reopening::Reopening,
    v1::{self, event_service_client::EventServiceClient},
};

impl Client {
    /// Gives what the feed holds after a position, and then, with `follow`, what is to come. The request is as in the contract, but that
    /// an empty namespace in the filter is the client's.
    #[must_use]
    pub fn follow(&self, mut request: v1::WatchEventsRequest) -> Feed {
        self.complete(&mut request.filter.get_or_insert_default().namespace);
        Feed::new(self.connection(), request)
    }
}

/// What arrives on a feed.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedMessage {
    /// Changes, in order.
    Events {
        /// At most 1000; none where only the position has moved.
        events: Vec<v1::Event>,
        /// After the last of them.
        position: String,
        /// All that there was at some moment has been sent. Not said with each message after that.
        caught_up: bool,
    },
    /// The position that was asked for cannot be continued: what the reader knows must be read anew.
    Reset {
        /// Why.
        reason: v1::ResetReason,
        /// The position that was asked for.
        requested: String,
        /// From where the feed goes on: the beginning of what is kept.
        position: String,
    },
}

/// A feed over any number of broken streams: each goes on after the last message that was handed out.
#[derive(Debug)]
pub struct Feed {
    request: v1::WatchEventsRequest,
    stream: Reopening<v1::WatchEventsResponse>,
}

impl Feed {
    fn new(connection: Arc<Connection>, request: v1::WatchEventsRequest) -> Self {
        Self { request, stream: Reopening::new(connection) }
    }

    /// The position after the last message that was handed out. Keep it once its events are dealt with, to go on from there later.
    #[must_use]
    pub fn position(&self) -> &str {
        &self.request.after
    }

    /// The next message; `None` at the head of a feed without `follow`. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If the service refuses the request, or nobody answers for five minutes.
    pub async fn next(&mut self) -> Result<Option<FeedMessage>, Error> {
        loop {
            let request = &self.request;
            let open = async |channel| EventServiceClient::new(channel).watch_events(request.clone()).await;
            match self.stream.next(open).await? {
                Some(message) => return Ok(Some(self.hand_out(message))),
                None if !self.request.follow => return Ok(None),
                None => self.stream.pause().await,
            }
        }
    }

    fn hand_out(&mut self, message: v1::WatchEventsResponse) -> FeedMessage {
        let v1::WatchEventsResponse { events, position, reset, caught_up } = message;
        if !position.is_empty() {
            self.request.after.clone_from(&position);
        }
        match reset {
            Some(reset) => FeedMessage::Reset { reason: reset.reason(), requested: reset.requested, position },
            None => FeedMessage::Events { events, position, caught_up },
        }
    }
}
