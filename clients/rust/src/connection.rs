//! The way to the coordinators: channels, deadlines and retries.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint},
};

use crate::{address::AddressError, error::Error};

/// The deadline of a unary call with all its retries: long enough for a coordinator's restart, short enough for a person.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// One try within it, so that a connection that swallows requests does not eat the whole deadline.
pub(crate) const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// A coordinator that is there answers a dial at once.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Coordinators answer pings that come more often than every 10 s with `ENHANCE_YOUR_CALM`. With the timeout it is 20 s until calls and
/// streams leave a host that fell silent.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between tries: doubling from the first to the second, each a random part of it, so that all clients do not come at once.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// One channel for each address. The current one has all calls, until it fails one: then it is the next one's turn.
#[derive(Debug)]
pub(crate) struct Connection {
    channels: Vec<Channel>,
    current: AtomicUsize,
}

impl Connection {
    /// Connects when it is first used. Clients begin at a random address, so that they spread over all coordinators.
    pub fn new(addresses: &[String]) -> Result<Self, AddressError> {
        let channels = addresses.iter().map(|address| Ok(endpoint(address)?.connect_lazy()));
        let channels: Vec<Channel> = channels.collect::<Result<_, AddressError>>()?;
        let current = AtomicUsize::new(fastrand::usize(..channels.len()));
        Ok(Self { channels, current })
    }

    /// The channel to use now.
    pub fn channel(&self) -> Channel {
        self.channels[self.current.load(Ordering::Relaxed) % self.channels.len()].clone()
    }

    /// Uses another address from now on, if there is one.
    pub fn advance(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes a call, again and again while nobody answers, until `CALL_TIMEOUT` has passed. It must be safe to repeat.
    pub async fn call<M, R, F, A>(&self, message: M, method: F) -> Result<R, Error>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> A,
        A: Future<Output = Result<Response<R>, Status>>,
    {
        let deadline = Instant::now() + CALL_TIMEOUT;
        let mut backoff = Backoff::default();
        loop {
            let try_deadline = deadline.min(Instant::now() + TRY_TIMEOUT);
            let error = match self.try_once(message.clone(), &method, try_deadline).await {
                Err(error) if error.is_unavailable() => error,
                result => return result,
            };
            self.advance();
            let wait = backoff.next().max(error.retry_delay().unwrap_or_default());
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            sleep(wait).await;
        }
    }

    async fn try_once<M, R, F, A>(&self, message: M, method: &F, deadline: Instant) -> Result<R, Error>
    where
        F: Fn(Channel, Request<M>) -> A,
        A: Future<Output = Result<Response<R>, Status>>,
    {
        let within = deadline.saturating_duration_since(Instant::now());
        let mut request = Request::new(message);
        // The service gives up, too, when nobody waits for it any more.
        request.set_timeout(within);
        match timeout_at(deadline, method(self.channel(), request)).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(Error::no_answer(within)),
        }
    }
}

/// What every connection is made from.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, AddressError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| AddressError::new(address))?;
    Ok(endpoint
        .connect_timeout(DIAL_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

/// Waits that double, with full jitter.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait.
    pub fn next(&mut self) -> Duration {
        let longest = BACKOFF.saturating_mul(1 << self.tries.min(10)).min(BACKOFF_MAX);
        self.tries += 1;
        longest.mul_f64(fastrand::f64())
    }
}
