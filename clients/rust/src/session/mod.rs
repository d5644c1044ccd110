//! The agent's half of the conversation that `agent_service.proto` specifies, as a pure state machine.
//!
//! What comes in: messages of the coordinator (`receive.rs`), what becomes of the work, and the time. What comes out: messages to send
//! (`next_message`), and effects (`take_effects`): what to start, to stop, when to connect again, when to leave. No network, no clock,
//! no chance, no thread. Memory is bounded by the leases that the agent offers to take and by `limits`.

mod drain;
pub mod effect;
mod lease;
mod limits;
mod lingering;
mod liveness;
mod notes;
pub mod outcome;
mod receipt;
mod receive;
mod report;
#[cfg(test)]
mod tests;
pub mod time;

use std::{collections::BTreeSet, time::Duration};

use drain::Drain;
use effect::{Effect, Key, Reconnect, StopReason};
use lease::{LeaseTable, Phase};
use limits::UNACKNOWLEDGED_BYTES_MAX;
use lingering::Lingering;
use liveness::Liveness;
use notes::Notes;
use outcome::{Outcome, final_event, returned};
use receipt::Receipts;
use report::ReportLog;
use time::{NEVER, Time, after, duration};

use crate::v1::{self, agent_message::Content, report::Event};

/// One incarnation of an agent, over any number of streams.
///
/// The owner calls `connect` for each stream, `receive` for each of its messages, tells what becomes of the work, and calls after any of
/// them, and at `next_time` at the latest, `tick`, `take_effects` until there are none, and `next_message` while it can send.
#[derive(Debug)]
pub struct Session {
    hello: v1::Hello,
    leases: LeaseTable,
    liveness: Liveness,
    reports: ReportLog,
    drain: Drain,
    lingering: Lingering,
    notes: Notes,
    receipts: Receipts,
    effects: Vec<Effect>,
    /// What the last Hello named.
    hello_held: BTreeSet<Key>,
    /// When a lease may have to be stopped for want of an echo; not later than that.
    self_stop_time: Time,
    run_limits: BTreeSet<(Time, Key)>,
}

impl Session {
    /// `hello` says who the agent is; the session fills in what it holds.
    pub fn new(hello: v1::Hello) -> Self {
        let leases = LeaseTable::new(hello.slots as usize, hello.queue_limit as usize);
        Self {
            hello,
            leases,
            liveness: Liveness::new(),
            reports: ReportLog::default(),
            drain: Drain::new(),
            lingering: Lingering::default(),
            notes: Notes::new(),
            receipts: Receipts::new(),
            effects: Vec::new(),
            hello_held: BTreeSet::new(),
            self_stop_time: NEVER,
            run_limits: BTreeSet::new(),
        }
    }

    /// A new stream is opened: the Hello to send on it. What was under way on an earlier stream will be sent again.
    pub fn connect(&mut self, now: Time) -> v1::AgentMessage {
        let held = self.leases.references();
        self.hello_held = held.iter().map(Key::from).collect();
        self.reports.rewind();
        self.receipts = Receipts::new();
        self.liveness.begin(self.leases.version, now);
        let (held_version, draining) = (self.leases.version, self.drain.own);
        let mut hello = v1::Hello { held, held_version, draining, ..self.hello.clone() };
        let slots = self.lingering.tell(&mut hello, now);
        for key in self.leases.surplus(slots, &self.lingering.told_tasks()) {
            self.give_back(&key, WHY_STUCK);
        }
        message(Content::Hello(hello))
    }

    /// The stream is gone. Work goes on until its leases run out.
    pub fn disconnect(&mut self) {
        self.liveness.end();
    }

    /// Whether the current stream was welcomed.
    pub fn connected(&self) -> bool {
        self.liveness.welcomed
    }

    /// Whether the agent's own drain is over.
    pub fn left(&self) -> bool {
        self.drain.left
    }

    /// The longest random wait before connecting again, as the last Welcome named it.
    pub fn jitter(&self) -> Duration {
        self.liveness.jitter
    }

    /// The next message to send; `None` if there is none now. Heartbeats first: a backlog must not delay them.
    pub fn next_message(&mut self, now: Time) -> Option<v1::AgentMessage> {
        if !self.connected() {
            return None;
        }
        if now >= self.liveness.heartbeat_time(self.leases.shortest_ttl) {
            return Some(message(Content::Heartbeat(self.heartbeat(now))));
        }
        if std::mem::take(&mut self.drain.notice_due) {
            return Some(message(Content::DrainNotice(v1::DrainNotice {})));
        }
        self.notes.flush(&mut self.leases, &mut self.reports, now);
        let reports = self.reports.next_batch();
        if !reports.is_empty() {
            let lease_batch = self.receipts.take();
            return Some(message(Content::Reports(v1::ReportBatch { reports, lease_batch })));
        }
        if now >= self.receipts.due_time {
            return Some(message(Content::LeaseReceipt(v1::LeaseReceipt { number: self.receipts.take() })));
        }
        self.drain.goodbye(self.idle(), now).map(|goodbye| message(Content::Goodbye(goodbye)))
    }

    fn heartbeat(&mut self, now: Time) -> v1::Heartbeat {
        let mut heartbeat = self.liveness.heartbeat(self.leases.version, now);
        if heartbeat.held_included {
            heartbeat.held = self.leases.references();
        }
        heartbeat
    }

    /// What to do now, in order; each effect is given once. Work that is to start counts as started.
    pub fn take_effects(&mut self, now: Time) -> Vec<Effect> {
        if !self.drain.closed() && self.reports.unacknowledged_bytes < UNACKNOWLEDGED_BYTES_MAX {
            for lease in self.leases.start() {
                let key = Key::from(lease.as_ref());
                self.reports.add(&key, Event::Started(v1::Started {}));
                if lease.run_time_limit.is_some() {
                    self.run_limits.insert((after(now, duration(lease.run_time_limit.as_ref())), key));
                }
                self.effects.push(Effect::Start(lease));
            }
        }
        if self.drain.leaves(self.idle(), self.connected(), now) {
            self.effects.push(Effect::Leave);
        }
        std::mem::take(&mut self.effects)
    }

    /// Whether nothing runs and nothing is left to say.
    fn idle(&self) -> bool {
        self.leases.running == 0 && self.leases.held == 0
    }

    /// Does what is due by the time alone.
    pub fn tick(&mut self, now: Time) {
        if now >= self.liveness.silence_time() {
            self.reconnect("no answer of the coordinator in time", true);
        }
        if now >= self.self_stop_time {
            self.stop_unrenewed(now);
        }
        while let Some((_, key)) = self.run_limits.first().filter(|(time, _)| now >= *time).cloned() {
            self.run_limits.pop_first();
            self.stop(&key, StopReason::Timeout);
        }
        if self.drain.time_is_up(now) {
            self.stop_all(StopReason::Drain);
        }
        if self.tells_of_lingering() && self.lingering.changed(now) {
            self.reconnect("work whose lease is gone does not stop, or has stopped at last", false);
        }
    }

    /// When `tick` and `take_effects` have something to do again, if nothing happens before; at the latest.
    pub fn next_time(&self) -> Time {
        let run_limit = self.run_limits.first().map_or(NEVER, |(time, _)| *time);
        let lingering = if self.tells_of_lingering() { self.lingering.due_time() } else { NEVER };
        let leave = if self.connected() { NEVER } else { self.drain.leave_time };
        let times =
            [self.liveness.silence_time(), self.self_stop_time, self.drain.next_time(), run_limit, lingering, leave];
        times.into_iter().min().unwrap_or(NEVER)
    }

    /// When `next_message` has something to say by the time alone. Apart from `next_time`, since an owner that cannot send just now
    /// must not be woken for it again and again.
    pub fn next_message_time(&self) -> Time {
        if !self.connected() {
            return NEVER;
        }
        let heartbeat = self.liveness.heartbeat_time(self.leases.shortest_ttl);
        heartbeat.min(self.receipts.due_time).min(self.notes.due_time).min(self.drain.leave_time)
    }

    /// The work has ended, in whatever way. Its slot is free.
    pub fn ended(&mut self, key: &Key, outcome: Outcome) {
        let Some(lease) = self.leases.get(key).filter(|lease| lease.phase == Phase::Running) else {
            return;
        };
        let event = final_event(outcome, lease.stop);
        self.end(key, event);
    }

    /// The work got further. Only the newest is sent, at most once a second.
    pub fn progress(&mut self, key: &Key, progress: v1::Progress) {
        self.notes.progress(key, progress, &mut self.leases);
    }

    /// The agent is to end: no more work, what runs may finish within `drain`, then stops within `grace`. A second call may shorten it.
    pub fn leave(&mut self, now: Time, drain: Duration, grace: Duration) {
        self.drain.leave_within(now, drain, grace);
        self.give_back_waiting();
        self.tick(now);
    }

    fn tells_of_lingering(&self) -> bool {
        self.connected() && !self.drain.own
    }

    fn reconnect(&mut self, why: &str, elsewhere: bool) {
        self.disconnect();
        self.effects.push(Effect::Reconnect(Reconnect { why: why.into(), delay: Duration::ZERO, elsewhere }));
    }

    // --- What is done with leases

    fn end(&mut self, key: &Key, event: Option<Event>) {
        let Some(held) = self.leases.get(key).map(|lease| lease.held) else {
            return;
        };
        self.leases.end(key);
        self.lingering.end(key);
        self.notes.forget(key);
        self.run_limits.retain(|(_, each)| each != key);
        if let Some(event) = event.filter(|_| held) {
            self.reports.add(key, event);
        }
    }

    fn give_back(&mut self, key: &Key, why: &str) {
        self.end(key, Some(returned(why)));
    }

    fn give_back_waiting(&mut self) {
        for key in self.leases.waiting() {
            self.give_back(&key, WHY_DRAINING);
        }
    }

    /// The lease is not this agent's any more. Nothing the second time: the refusals of its reports come behind the drop.
    fn drop_lease(&mut self, key: &Key, now: Time) {
        let Some(lease) = self.leases.get(key).filter(|lease| lease.held) else { return };
        let running = (lease.phase == Phase::Running).then(|| lease.message.clone());
        if running.is_some() {
            lease.stop = Some(StopReason::Dropped);
        }
        self.notes.forget(key);
        self.leases.forget(key);
        if let Some(message) = running {
            self.lingering.begin(key, message, now);
            self.effects.push(Effect::Stop(key.clone(), StopReason::Dropped));
        }
    }

    fn stop(&mut self, key: &Key, reason: StopReason) {
        let Some(lease) = self.leases.get(key) else { return };
        if lease.phase == Phase::Waiting {
            self.end(key, final_event(Outcome::Stopped, Some(reason)));
        } else if lease.phase == Phase::Running && lease.may_stop(reason) {
            lease.stop = Some(reason);
            self.effects.push(Effect::Stop(key.clone(), reason));
        }
    }

    fn stop_all(&mut self, reason: StopReason) {
        let all: Vec<Key> = self.leases.iter().map(|(key, _)| key.clone()).collect();
        for key in all {
            self.stop(&key, reason);
        }
    }

    /// Stops what no echoed heartbeat has renewed in time, and notes when to look again.
    fn stop_unrenewed(&mut self, now: Time) {
        self.self_stop_time = NEVER;
        let mut lost = Vec::new();
        for (key, lease) in self.leases.iter() {
            if !lease.held || lease.phase == Phase::Ended || lease.stop == Some(StopReason::Lost) {
                continue;
            }
            match self.liveness.self_stop_time(lease) {
                time if now >= time => lost.push(key.clone()),
                time => self.self_stop_time = self.self_stop_time.min(time),
            }
        }
        for key in lost {
            self.stop(&key, StopReason::Lost);
        }
    }
}

// Why a lease is given back or refused before its work has started, as people read it.
const WHY_RECALLED: &str = "recalled";
const WHY_DRAINING: &str = "the agent is draining";
const WHY_STUCK: &str = "the agent's slots are held by work that does not stop";
const WHY_FULL: &str = "all slots and places in the queue are taken";

fn message(content: Content) -> v1::AgentMessage {
    v1::AgentMessage { content: Some(content) }
}
