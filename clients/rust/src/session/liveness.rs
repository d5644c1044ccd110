//! When heartbeats are due, which of them came back, and until when that proves a lease. It does not know the leases, only the version
//! of their set. What was echoed outlives a stream: leases do, too.

use std::{collections::VecDeque, time::Duration};

use super::{
    lease::HeldLease,
    limits::{
        ECHO_TIMEOUT, HEARTBEAT_INTERVAL, HEARTBEATS_PER_TTL, RECONNECT_JITTER, UNECHOED_MAX, WELCOME_TIMEOUT,
        self_stop,
    },
    time::{NEVER, Time, after, duration, duration_or},
};
use crate::v1;

/// A heartbeat that was sent; Hello is number 0.
#[derive(Clone, Copy, Debug, Default)]
struct Beat {
    number: u64,
    sent_time: Time,
    version: u64,
}

/// The heartbeats of one stream after another.
#[derive(Debug)]
pub struct Liveness {
    interval: Duration,
    echo_timeout: Duration,
    pub jitter: Duration,
    pub welcomed: bool,
    /// The last heartbeat, or Hello, that a coordinator answered.
    echoed: Option<Beat>,
    /// The version of the set that the coordinator knows from a heartbeat of this stream.
    known_version: Option<u64>,
    last: Beat,
    heard_time: Time,
    unechoed: VecDeque<Beat>,
}

impl Liveness {
    pub fn new() -> Self {
        Self {
            interval: HEARTBEAT_INTERVAL,
            echo_timeout: ECHO_TIMEOUT,
            jitter: RECONNECT_JITTER,
            welcomed: false,
            echoed: None,
            known_version: None,
            last: Beat::default(),
            heard_time: NEVER,
            unechoed: VecDeque::new(),
        }
    }

    /// A Hello that names this version is sent on a new stream.
    pub fn begin(&mut self, version: u64, now: Time) {
        self.welcomed = false;
        self.known_version = None;
        self.heard_time = now;
        self.last = Beat { number: 0, sent_time: now, version };
        self.unechoed = VecDeque::from([self.last]);
    }

    /// The Hello was answered: it counts as the stream's first heartbeat.
    pub fn welcome(&mut self, welcome: &v1::Welcome, now: Time) {
        self.welcomed = true;
        self.heard_time = now;
        self.interval = duration_or(welcome.heartbeat_interval.as_ref(), HEARTBEAT_INTERVAL);
        self.echo_timeout = duration_or(welcome.echo_timeout.as_ref(), ECHO_TIMEOUT);
        self.jitter = duration(welcome.reconnect_jitter_max.as_ref());
        self.echoed = self.unechoed.pop_front();
    }

    /// When the next heartbeat is due.
    pub fn heartbeat_time(&self, shortest_ttl: Duration) -> Time {
        if !self.welcomed || self.unechoed.len() >= UNECHOED_MAX {
            return NEVER;
        }
        after(self.last.sent_time, self.interval.min(shortest_ttl / HEARTBEATS_PER_TTL))
    }

    /// The next heartbeat, sent now. The caller fills in the set where `held_included` says so.
    pub fn heartbeat(&mut self, version: u64, now: Time) -> v1::Heartbeat {
        let number = self.last.number + 1;
        self.last = Beat { number, sent_time: now, version };
        self.unechoed.push_back(self.last);
        let held_included = self.known_version != Some(version);
        v1::Heartbeat { number, held_version: version, held: Vec::new(), held_included }
    }

    /// A heartbeat came back.
    pub fn echo(&mut self, echo: &v1::HeartbeatEcho, now: Time) {
        while let Some(&beat) = self.unechoed.front().filter(|beat| beat.number <= echo.number) {
            self.unechoed.pop_front();
            if beat.number == echo.number && beat.version == echo.held_version {
                self.heard_time = now;
                self.known_version = Some(beat.version);
                self.echoed = Some(beat);
            }
        }
    }

    /// The stream is gone: nothing is due on it.
    pub fn end(&mut self) {
        self.welcomed = false;
        self.heard_time = NEVER;
    }

    /// When the stream counts as broken, unless something is heard before.
    pub fn silence_time(&self) -> Time {
        after(self.heard_time, if self.welcomed { self.echo_timeout } else { WELCOME_TIMEOUT })
    }

    /// When the last heartbeat, or Hello, that a coordinator answered was sent.
    pub fn echoed_time(&self) -> Time {
        self.echoed.map_or(Time::ZERO, |beat| beat.sent_time)
    }

    /// When the lease's work must stop, unless a heartbeat that names it is answered before.
    pub fn self_stop_time(&self, lease: &HeldLease) -> Time {
        let named = self.echoed.filter(|beat| lease.version <= beat.version);
        let renewed = named.map_or(lease.trusted_time, |beat| beat.sent_time.max(lease.trusted_time));
        after(renewed, self_stop(lease.ttl))
    }
}
