//! A session with a coordinator of which the test says what it does, and a clock that the test moves.

use std::time::Duration;

use super::super::{
    Session,
    effect::{Effect, Key, StopReason},
    outcome::Outcome,
    time::Time,
};
use crate::v1::{self, agent_message::Content as Said, coordinator_message::Content as Heard, report::Event};

pub const TTL: Duration = Duration::from_secs(30);

pub fn seconds(seconds: u64) -> Time {
    Duration::from_secs(seconds)
}

pub fn key(number: u64) -> Key {
    Key { task_id: format!("task-{number}"), token: 1 }
}

pub fn lease(number: u64) -> v1::Lease {
    let spec = v1::TaskSpec { kind: "work".into(), ..v1::TaskSpec::default() };
    v1::Lease {
        task_id: key(number).task_id,
        token: 1,
        spec: Some(spec),
        ttl: Some(TTL.try_into().unwrap()),
        ..v1::Lease::default()
    }
}

pub fn succeeded() -> Outcome {
    Outcome::Succeeded(v1::Payload::default())
}

pub struct Agent {
    pub session: Session,
    pub now: Time,
    batches: u64,
}

impl Agent {
    /// Not connected yet.
    pub fn new(slots: u32, queue_limit: u32) -> Self {
        let kinds = vec!["work".into()];
        let hello = v1::Hello { agent_id: "agent".into(), kinds, slots, queue_limit, ..v1::Hello::default() };
        Self { session: Session::new(hello), now: seconds(100), batches: 0 }
    }

    pub fn connected(slots: u32, queue_limit: u32) -> Self {
        let mut agent = Self::new(slots, queue_limit);
        agent.reconnect();
        agent
    }

    /// A new stream, on which the coordinator keeps all that is held.
    pub fn reconnect(&mut self) -> v1::Hello {
        let hello = self.hello();
        self.welcome(&hello.held);
        hello
    }

    pub fn hello(&mut self) -> v1::Hello {
        self.session.disconnect();
        match self.session.connect(self.now).content {
            Some(Said::Hello(hello)) => hello,
            other => panic!("not a Hello: {other:?}"),
        }
    }

    pub fn welcome(&mut self, keep: &[v1::LeaseReference]) {
        let interval = Duration::from_secs(5).try_into().unwrap();
        self.hear(Heard::Welcome(v1::Welcome {
            keep: keep.to_vec(),
            heartbeat_interval: Some(interval),
            echo_timeout: Some(Duration::from_secs(12).try_into().unwrap()),
            ..v1::Welcome::default()
        }));
    }

    pub fn hear(&mut self, content: Heard) {
        self.session.receive(v1::CoordinatorMessage { content: Some(content) }, self.now);
    }

    pub fn give(&mut self, leases: Vec<v1::Lease>) {
        self.batches += 1;
        self.hear(Heard::Leases(v1::LeaseBatch { number: self.batches, leases }));
    }

    pub fn order(&mut self, orders: v1::Orders) {
        self.hear(Heard::Orders(orders));
    }

    pub fn acknowledge(&mut self, number: u64) {
        self.hear(Heard::ReportAck(v1::ReportAck { number, refusals: Vec::new() }));
    }

    pub fn refuse(&mut self, number: u64, reason: v1::RefusalReason) {
        let refusal = v1::Refusal { number, reason: reason.into(), ..v1::Refusal::default() };
        self.hear(Heard::ReportAck(v1::ReportAck { number, refusals: vec![refusal] }));
    }

    pub fn end(&mut self, number: u64, outcome: Outcome) {
        self.session.ended(&key(number), outcome);
    }

    pub fn wait(&mut self, wait: Duration) -> Vec<Effect> {
        self.now += wait;
        self.effects()
    }

    pub fn effects(&mut self) -> Vec<Effect> {
        self.session.tick(self.now);
        self.session.take_effects(self.now)
    }

    /// The numbers of the tasks that are started now.
    pub fn started(&mut self) -> Vec<String> {
        let started = |effect| match effect {
            Effect::Start(lease) => Some(lease.task_id.clone()),
            _ => None,
        };
        self.effects().into_iter().filter_map(started).collect()
    }

    /// All that is to be said now.
    pub fn say(&mut self) -> Vec<Said> {
        std::iter::from_fn(|| self.session.next_message(self.now)).filter_map(|message| message.content).collect()
    }

    /// The reports in it.
    pub fn reports(&mut self) -> Vec<v1::Report> {
        let reports = |said| match said {
            Said::Reports(batch) => batch.reports,
            _ => Vec::new(),
        };
        self.say().into_iter().flat_map(reports).collect()
    }

    /// The next heartbeat, which is due now.
    pub fn heartbeat(&mut self) -> v1::Heartbeat {
        match self.say().into_iter().next() {
            Some(Said::Heartbeat(heartbeat)) => heartbeat,
            other => panic!("not a heartbeat: {other:?}"),
        }
    }

    pub fn echo(&mut self, heartbeat: &v1::Heartbeat) {
        let v1::Heartbeat { number, held_version, .. } = *heartbeat;
        self.hear(Heard::HeartbeatEcho(v1::HeartbeatEcho { number, held_version }));
    }
}

/// What reports say, as number, task and name.
pub fn told(reports: &[v1::Report]) -> Vec<(u64, &str, &'static str)> {
    reports.iter().map(|report| (report.number, report.task_id.as_str(), name(report))).collect()
}

fn name(report: &v1::Report) -> &'static str {
    match report.event {
        Some(Event::Started(_)) => "started",
        Some(Event::Progress(_)) => "progress",
        Some(Event::Succeeded(_)) => "succeeded",
        Some(Event::Failed(_)) => "failed",
        Some(Event::Cancelled(_)) => "cancelled",
        Some(Event::Returned(_)) => "returned",
        Some(Event::Rejected(_)) => "rejected",
        Some(Event::Checkpoint(_)) => "checkpoint",
        None => "nothing",
    }
}

pub fn stops(effects: &[Effect]) -> Vec<(Key, StopReason)> {
    let stop = |effect: &Effect| match effect {
        Effect::Stop(key, reason) => Some((key.clone(), *reason)),
        _ => None,
    };
    effects.iter().filter_map(stop).collect()
}

pub fn reconnects(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Reconnect(_)))
}
