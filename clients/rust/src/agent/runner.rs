//! The loop that owns the session: everything that touches it happens here. It takes in what the coordinator says, what the work does and
//! what the time brings, and carries the effects out. It never blocks but in `wait`.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tracing::{debug, info};

use super::{
    AgentError,
    addresses::Addresses,
    link::{Arrival, Link},
    mailbox::Mailbox,
    stream_end::verdict,
    workers::Workers,
};
use crate::{
    error::Error,
    session::{
        Session,
        effect::{Effect, Reconnect},
        time::{Time, after},
    },
    v1::{AgentMessage, CoordinatorMessage, coordinator_message::Content},
};

/// After the drain time work is told to stop; what does not within this is left behind.
const LEAVE_GRACE: Duration = Duration::from_secs(8);
/// Waits between two streams: the first is up to the Welcome's jitter, those after it double up to the last of these, each by chance.
/// Where leases are short the jitter is, too, and long waits would cost them: then the middle one is the longest.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_SHORT_MAX: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// Sooner or later the loop looks, in any case.
const IDLE_MAX: Duration = Duration::from_secs(3600);
/// A coordinator that stays away is logged so often, not for hours.
const ATTEMPTS_LOGGED: u32 = 3;

#[derive(Debug)]
pub struct Runner {
    session: Session,
    agent_id: String,
    addresses: Addresses,
    workers: Workers,
    mailbox: Arc<Mailbox>,
    leave_orders: mpsc::UnboundedReceiver<Duration>,
    /// Ends when nobody waits for the agent any more.
    gone: oneshot::Receiver<()>,
    begin: Instant,
    link: Option<Link>,
    /// When to connect, while there is no link.
    open_time: Time,
    attempts: u32,
    /// How the agent has ended.
    end: Option<Result<(), AgentError>>,
}

impl Runner {
    pub fn new(
        session: Session,
        agent_id: &str,
        addresses: Vec<String>,
        workers: Workers,
        mailbox: Arc<Mailbox>,
        leave_orders: mpsc::UnboundedReceiver<Duration>,
        gone: oneshot::Receiver<()>,
    ) -> Self {
        let place = fastrand::usize(..addresses.len());
        Self {
            session,
            agent_id: agent_id.into(),
            addresses: Addresses::new(addresses, place),
            workers,
            mailbox,
            leave_orders,
            gone,
            begin: Instant::now(),
            link: None,
            open_time: Time::ZERO,
            attempts: 0,
            end: None,
        }
    }

    pub async fn run(mut self) -> Result<(), AgentError> {
        loop {
            self.turn();
            if let Some(end) = self.end.take() {
                return end;
            }
            self.wait().await;
        }
    }

    fn now(&self) -> Time {
        self.begin.elapsed()
    }

    /// All that is to do now. An agent that has ended does nothing more.
    fn turn(&mut self) {
        if self.end.is_some() {
            return;
        }
        self.take_in();
        let now = self.now();
        if self.link.is_none() && now >= self.open_time {
            self.link = Some(Link::open(self.addresses.current(), self.session.connect(now)));
        }
        self.session.tick(now);
        loop {
            let effects = self.session.take_effects(now);
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.carry_out(effect);
            }
        }
        self.send(now);
    }

    fn take_in(&mut self) {
        let happenings = self.mailbox.take();
        for (key, progress) in happenings.progress {
            self.session.progress(&key, progress);
        }
        for (key, outcome) in happenings.ended {
            self.workers.ended(&key);
            self.session.ended(&key, outcome);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start(lease) => self.workers.start(&lease),
            Effect::Stop(key, reason) => self.workers.stop(&key, reason),
            Effect::Reconnect(reconnect) => self.close_link(&reconnect),
            Effect::Leave => self.finish(Ok(())),
        }
    }

    fn send(&mut self, now: Time) {
        let Some(link) = &self.link else { return };
        while let Ok(permit) = link.outgoing.try_reserve() {
            match self.session.next_message(now) {
                Some(message) => permit.send(message),
                None => break,
            }
        }
    }

    async fn wait(&mut self) {
        let due = self.due_time();
        let full = self.link.as_ref().filter(|link| link.full()).map(|link| link.outgoing.clone());
        tokio::select! {
            arrival = next_arrival(&mut self.link) => self.on_arrival(arrival),
            () = writable(full) => {}
            () = self.mailbox.filled() => {}
            Some(drain_time) = self.leave_orders.recv() => self.leave(drain_time),
            _ = &mut self.gone => self.finish(Ok(())),
            () = sleep_until(due) => {}
        }
    }

    fn due_time(&self) -> Instant {
        let link = match &self.link {
            None => self.open_time,
            Some(link) if link.full() => Time::MAX,
            Some(_) => self.session.next_message_time(),
        };
        let due = self.session.next_time().min(link);
        self.begin + due.min(after(self.now(), IDLE_MAX))
    }

    fn leave(&mut self, drain_time: Duration) {
        info!(agent = self.agent_id, "the agent drains and leaves within {} s", drain_time.as_secs_f32());
        let now = self.now();
        self.session.leave(now, drain_time, LEAVE_GRACE);
    }

    // --- The stream

    fn on_arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Message(message) => self.on_message(*message),
            Arrival::End(end) => self.on_end(end),
        }
    }

    fn on_message(&mut self, message: CoordinatorMessage) {
        if let Some(Content::Welcome(welcome)) = &message.content {
            self.attempts = 0;
            self.addresses.learn(&welcome.coordinators);
            let address = self.link.as_ref().map_or("", |link| &link.address);
            info!(agent = self.agent_id, "connected to {} ({address})", welcome.coordinator_id);
        }
        let now = self.now();
        self.session.receive(message, now);
    }

    fn on_end(&mut self, end: Result<(), Error>) {
        if let Err(error) = &end
            && let Some(fatal) = verdict(error, &self.agent_id, self.session.connected())
        {
            return self.finish(Err(fatal));
        }
        let why = end.map_or_else(|error| format!("the stream broke: {error}"), |()| "the stream has ended".into());
        self.close_link(&Reconnect { why, delay: Duration::ZERO, elsewhere: true });
    }

    /// Ends the stream, if there is one, and says when the next one is opened.
    fn close_link(&mut self, reconnect: &Reconnect) {
        if self.link.take().is_none() {
            return;
        }
        self.session.disconnect();
        if self.session.left() {
            return self.finish(Ok(()));
        }
        if self.attempts < ATTEMPTS_LOGGED {
            info!(agent = self.agent_id, "connects again: {}", reconnect.why);
        } else {
            debug!(agent = self.agent_id, "connects again: {}", reconnect.why);
        }
        if reconnect.elsewhere {
            self.addresses.advance();
        }
        self.attempts += 1;
        self.open_time = after(after(self.now(), reconnect.delay), self.jitter());
    }

    /// A random time, so that a fleet does not come at once.
    fn jitter(&self) -> Duration {
        let jitter = self.session.jitter();
        let longest = if self.attempts > 1 {
            let most = BACKOFF_MAX.min((jitter * 2).max(BACKOFF_SHORT_MAX));
            (BACKOFF * (1 << self.attempts.min(10))).min(most)
        } else {
            jitter
        };
        longest.mul_f64(fastrand::f64())
    }

    fn finish(&mut self, end: Result<(), AgentError>) {
        self.link = None;
        self.session.disconnect();
        self.end.get_or_insert(end);
    }
}

async fn next_arrival(link: &mut Option<Link>) -> Arrival {
    match link {
        // A link whose task has ended without a word was aborted, which only dropping the link does.
        Some(link) => link.incoming.recv().await.unwrap_or(Arrival::End(Ok(()))),
        None => std::future::pending().await,
    }
}

/// Waits until a full channel takes a message again.
async fn writable(full: Option<mpsc::Sender<AgentMessage>>) {
    match full {
        Some(outgoing) => drop(outgoing.reserve().await),
        None => std::future::pending().await,
    }
}
