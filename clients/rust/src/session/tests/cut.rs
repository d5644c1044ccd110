//! A stream that is cut after every single message, on either side: nothing is lost, nothing is told out of order.

use std::collections::BTreeMap;

use super::{
    super::effect::{Effect, Key},
    fixture::{Agent, lease, seconds, succeeded},
};
use crate::v1::{self, agent_message::Content as Said, coordinator_message::Content as Heard, report::Event};

const TASKS: u64 = 6;

/// A coordinator that commits what arrives and whose answers may be lost.
#[derive(Default)]
struct Coordinator {
    committed: u64,
    outcomes: BTreeMap<String, u32>,
    given: u64,
    ended: u64,
}

impl Coordinator {
    /// Takes in one message, and returns the answer.
    fn take(&mut self, said: Said) -> Option<Heard> {
        match said {
            Said::Heartbeat(v1::Heartbeat { number, held_version, .. }) => {
                Some(Heard::HeartbeatEcho(v1::HeartbeatEcho { number, held_version }))
            }
            Said::Reports(batch) => {
                batch.reports.into_iter().for_each(|report| self.commit(report));
                Some(Heard::ReportAck(v1::ReportAck { number: self.committed, refusals: Vec::new() }))
            }
            _ => None,
        }
    }

    fn commit(&mut self, report: v1::Report) {
        if report.number <= self.committed {
            return;
        }
        assert_eq!(report.number, self.committed + 1, "a report is missing");
        self.committed = report.number;
        if !matches!(report.event, Some(Event::Started(_))) {
            self.ended += 1;
            *self.outcomes.entry(report.task_id).or_default() += 1;
        }
    }
}

/// Runs all tasks. The stream is cut after so many messages, the last of which is lost or not; again and again.
fn run(every: usize, lost: bool) -> Coordinator {
    let (mut agent, mut coordinator) = (Agent::connected(2, 0), Coordinator::default());
    let (mut messages, mut running) = (0, Vec::new());
    for _ in 0..10_000 {
        if coordinator.ended == TASKS {
            return coordinator;
        }
        if coordinator.given < TASKS && coordinator.given < coordinator.ended + 2 {
            coordinator.given += 1;
            agent.give(vec![lease(coordinator.given)]);
        }
        agent.now += seconds(1);
        for key in std::mem::take(&mut running) {
            agent.session.ended(&key, succeeded());
        }
        for effect in agent.effects() {
            match effect {
                // Some end before their start is told, some after.
                Effect::Start(lease) if lease.task_id.ends_with(['1', '3', '5']) => {
                    running.push(Key::from(lease.as_ref()));
                }
                Effect::Start(lease) => agent.session.ended(&Key::from(lease.as_ref()), succeeded()),
                other => panic!("{other:?}"),
            }
        }
        while let Some(message) = agent.session.next_message(agent.now) {
            messages += 1;
            let cut = messages % every == 0;
            let answer = if cut && lost { None } else { message.content.and_then(|said| coordinator.take(said)) };
            if cut {
                agent.reconnect();
            } else if let Some(answer) = answer {
                agent.hear(answer);
            }
        }
    }
    panic!("it does not come to an end");
}

#[test]
fn a_cut_after_any_message_loses_nothing_and_doubles_nothing() {
    for every in 2..12 {
        for lost in [false, true] {
            let coordinator = run(every, lost);

            assert_eq!(coordinator.outcomes.len() as u64, TASKS, "every {every}, lost {lost}");
            assert!(coordinator.outcomes.values().all(|count| *count == 1));
        }
    }
}
