use super::{
    super::effect::Effect,
    fixture::{Agent, key, lease, seconds, stops, succeeded, told},
};
use crate::{
    session::{effect::StopReason, outcome::Outcome},
    v1::{self, agent_message::Content as Said},
};

/// With one task that runs and one that waits, and both told.
fn busy() -> Agent {
    let mut agent = Agent::connected(1, 1);
    agent.give(vec![lease(1), lease(2)]);
    agent.started();
    agent.reports();
    agent
}

fn order(mode: v1::DrainMode, time_limit: Option<i64>) -> v1::Orders {
    let time_limit = time_limit.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
    v1::Orders { drain: Some(v1::DrainOrder { mode: mode.into(), time_limit }), ..Default::default() }
}

#[test]
fn leaving_returns_what_waits_lets_what_runs_finish_and_says_goodbye() {
    let mut agent = busy();

    agent.session.leave(agent.now, seconds(30), seconds(8));

    let said = agent.say();
    assert!(matches!(said.as_slice(), [Said::DrainNotice(_), Said::Reports(_)]), "{said:?}");
    agent.end(1, succeeded());
    assert_eq!(told(&agent.reports()), [(3, "task-1", "succeeded")]);
    agent.acknowledge(3);
    assert!(matches!(agent.say().as_slice(), [Said::Goodbye(_)]));
    assert!(agent.session.left());
    assert_eq!(agent.wait(seconds(2)), [Effect::Leave]);
}

#[test]
fn what_does_not_finish_in_the_time_for_leaving_is_stopped_and_returned() {
    let mut agent = busy();
    agent.session.leave(agent.now, seconds(3), seconds(8));
    agent.say();

    assert_eq!(stops(&agent.wait(seconds(3))), [(key(1), StopReason::Drain)]);

    agent.end(1, Outcome::Stopped);
    assert_eq!(told(&agent.reports()), [(3, "task-1", "returned")]);
}

#[test]
fn a_second_order_to_leave_shortens_the_time() {
    let mut agent = busy();
    agent.session.leave(agent.now, seconds(3600), seconds(8));

    agent.session.leave(agent.now, seconds(0), seconds(8));

    assert_eq!(stops(&agent.effects()), [(key(1), StopReason::Drain)]);
}

#[test]
fn an_agent_that_nobody_hears_leaves_without_a_goodbye() {
    let mut agent = busy();
    agent.session.leave(agent.now, seconds(1), seconds(1));
    agent.session.disconnect();

    assert!(!agent.wait(seconds(1)).contains(&Effect::Leave));
    assert_eq!(agent.session.next_time(), agent.now + seconds(1));

    assert_eq!(agent.wait(seconds(1)), [Effect::Leave]);
}

#[test]
fn a_reconnect_in_the_middle_of_leaving_says_so_in_hello_and_takes_nothing() {
    let mut agent = busy();
    agent.session.leave(agent.now, seconds(30), seconds(8));

    assert!(agent.reconnect().draining);
    agent.give(vec![lease(3)]);

    assert!(agent.started().is_empty());
    let reports = agent.reports();
    assert_eq!(told(&reports)[1..], [(2, "task-2", "returned"), (3, "task-3", "returned")]);
}

#[test]
fn an_ordered_drain_returns_what_waits_and_lets_what_runs_go_on_until_its_limit() {
    let mut agent = busy();

    agent.order(order(v1::DrainMode::Finish, Some(4)));

    assert!(agent.effects().is_empty());
    assert_eq!(told(&agent.reports()), [(2, "task-2", "returned")]);
    assert_eq!(stops(&agent.wait(seconds(4))), [(key(1), StopReason::Drain)]);
}

#[test]
fn an_ordered_drain_to_return_stops_what_runs_and_resume_takes_work_again() {
    let mut agent = busy();
    agent.order(order(v1::DrainMode::Return, None));
    assert_eq!(stops(&agent.effects()), [(key(1), StopReason::Drain)]);
    agent.end(1, Outcome::Stopped);
    assert_eq!(told(&agent.reports()), [(2, "task-2", "returned"), (3, "task-1", "returned")]);
    agent.give(vec![lease(3)]);
    assert!(agent.started().is_empty());

    agent.order(v1::Orders { resume: true, ..Default::default() });
    agent.give(vec![lease(4)]);

    assert_eq!(agent.started(), ["task-4"]);
}
