use super::fixture::{Agent, key, lease, reconnects, seconds, stops, succeeded, told};
use crate::{
    session::{effect::StopReason, outcome::Outcome},
    v1,
};

/// With one task that runs and one that waits, and both told.
fn busy() -> Agent {
    let mut agent = Agent::connected(1, 1);
    agent.give(vec![lease(1), lease(2)]);
    assert_eq!(agent.started(), ["task-1"]);
    agent.reports();
    agent
}

#[test]
fn a_lease_that_waits_starts_when_a_slot_is_free_and_what_is_too_much_is_rejected() {
    let mut agent = busy();

    agent.give(vec![lease(3), v1::Lease { spec: None, ..lease(4) }]);

    assert_eq!(told(&agent.reports()), [(2, "task-3", "rejected"), (3, "task-4", "rejected")]);
    agent.end(1, succeeded());
    assert_eq!(agent.started(), ["task-2"]);
}

#[test]
fn a_lease_that_comes_twice_is_one() {
    let mut agent = busy();

    agent.give(vec![lease(1), lease(2)]);

    assert!(agent.started().is_empty());
    assert!(agent.reports().is_empty());
}

#[test]
fn a_cancel_stops_what_runs_and_ends_what_waits_at_once() {
    let mut agent = busy();

    agent.order(v1::Orders { cancel: vec![key(1).reference(), key(2).reference()], ..Default::default() });

    assert_eq!(stops(&agent.effects()), [(key(1), StopReason::Cancel)]);
    assert_eq!(told(&agent.reports()), [(2, "task-2", "cancelled")]);
    agent.end(1, Outcome::Stopped);
    assert_eq!(told(&agent.reports()), [(3, "task-1", "cancelled")]);
}

#[test]
fn a_success_that_was_on_its_way_wins_over_a_cancel() {
    let mut agent = busy();
    agent.order(v1::Orders { cancel: vec![key(1).reference()], ..Default::default() });

    agent.end(1, succeeded());

    assert_eq!(told(&agent.reports()), [(2, "task-1", "succeeded")]);
}

#[test]
fn a_recall_returns_what_has_not_started_and_nothing_else() {
    let mut agent = busy();

    agent.order(v1::Orders { recall: vec![key(1).reference(), key(2).reference()], ..Default::default() });

    assert!(agent.effects().is_empty());
    assert_eq!(told(&agent.reports()), [(2, "task-2", "returned")]);
}

#[test]
fn a_drop_stops_the_work_and_nothing_is_reported() {
    let mut agent = busy();

    agent.order(v1::Orders { drop: vec![key(1).reference()], ..Default::default() });

    assert_eq!(stops(&agent.effects()), [(key(1), StopReason::Dropped)]);
    agent.order(v1::Orders { drop: vec![key(1).reference()], ..Default::default() });
    assert_eq!(stops(&agent.effects()), [], "it was said before");
    agent.end(1, succeeded());
    assert!(agent.reports().is_empty());
    assert_eq!(agent.reconnect().held, [key(2).reference()]);
}

#[test]
fn a_stale_report_stops_the_work_and_the_lease_is_forgotten() {
    let mut agent = busy();

    agent.refuse(1, v1::RefusalReason::Stale);

    assert_eq!(stops(&agent.effects()), [(key(1), StopReason::Dropped)]);
    assert_eq!(agent.reconnect().held, [key(2).reference()]);
}

#[test]
fn what_welcome_does_not_keep_is_stopped_named_or_not() {
    let mut agent = busy();
    let hello = agent.hello();
    assert_eq!(hello.held, [key(1).reference(), key(2).reference()]);

    agent.welcome(&[key(2).reference()]);

    assert_eq!(stops(&agent.effects()), [(key(1), StopReason::Dropped)]);
}

#[test]
fn work_that_does_not_stop_keeps_its_slot_and_the_coordinator_is_told_by_hello() {
    let mut agent = Agent::connected(2, 0);
    agent.give(vec![lease(1)]);
    agent.started();
    agent.order(v1::Orders { drop: vec![key(1).reference()], ..Default::default() });
    agent.give(vec![lease(2), lease(3)]);
    assert_eq!(agent.started(), ["task-2"], "the slot of task-1 is taken");

    let heartbeat = {
        agent.now += seconds(5);
        agent.heartbeat()
    };
    agent.echo(&heartbeat);
    assert!(reconnects(&agent.wait(seconds(1))));
    assert_eq!(agent.reconnect().slots, 1);
    assert_eq!(told(&agent.reports()).last(), Some(&(3, "task-3", "returned")), "it waited for that slot");

    agent.end(1, Outcome::Stopped);
    assert!(reconnects(&agent.effects()));
    assert_eq!(agent.reconnect().slots, 2);
}

#[test]
fn an_agent_whose_slots_are_all_stuck_takes_nothing() {
    let mut agent = Agent::connected(1, 0);
    agent.give(vec![lease(1)]);
    agent.started();
    agent.order(v1::Orders { drop: vec![key(1).reference()], ..Default::default() });

    assert!(reconnects(&agent.wait(seconds(6))));

    assert!(agent.hello().draining);
}

#[test]
fn a_run_time_limit_stops_the_work_and_is_a_failure_whatever_comes_of_it() {
    let mut agent = Agent::connected(1, 0);
    let limit = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    agent.give(vec![v1::Lease { run_time_limit: limit, ..lease(1) }]);
    agent.started();
    agent.reports();
    assert_eq!(agent.session.next_time(), agent.now + seconds(2));

    assert_eq!(stops(&agent.wait(seconds(2))), [(key(1), StopReason::Timeout)]);
    agent.end(1, succeeded());

    let reports = agent.reports();
    assert_eq!(told(&reports), [(2, "task-1", "failed")]);
}
