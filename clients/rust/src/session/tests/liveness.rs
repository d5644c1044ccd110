use super::fixture::{Agent, key, lease, reconnects, seconds, stops, told};
use crate::{
    session::{effect::StopReason, outcome::Outcome},
    v1::{self, coordinator_message::Content as Heard},
};

#[test]
fn a_heartbeat_names_the_set_until_its_version_was_echoed_on_this_stream() {
    let mut agent = Agent::connected(1, 0);
    agent.give(vec![lease(1)]);
    agent.started();
    agent.now += seconds(5);
    let first = agent.heartbeat();
    assert_eq!((first.number, first.held_included, first.held.as_slice()), (1, true, [key(1).reference()].as_slice()));

    agent.echo(&first);
    agent.now += seconds(5);
    let second = agent.heartbeat();
    assert_eq!((second.number, second.held_included, second.held_version), (2, false, first.held_version));

    agent.echo(&second);
    agent.reconnect();
    agent.now += seconds(5);
    let third = agent.heartbeat();
    assert_eq!((third.number, third.held_included), (1, true));
}

#[test]
fn heartbeats_come_six_times_in_the_shortest_time_to_live() {
    let mut agent = Agent::connected(1, 0);
    let ttl = Some(prost_types::Duration { seconds: 6, nanos: 0 });
    let connected = agent.now;

    agent.give(vec![v1::Lease { ttl, ..lease(1) }]);
    agent.started();
    agent.say();

    assert_eq!(agent.session.next_message_time(), connected + seconds(1));
}

#[test]
fn without_an_echo_in_time_the_agent_connects_again() {
    let mut agent = Agent::connected(1, 0);
    assert!(!reconnects(&agent.wait(seconds(11))));

    assert!(reconnects(&agent.wait(seconds(1))));

    assert!(!agent.session.connected());
}

#[test]
fn without_a_welcome_in_time_the_agent_connects_again() {
    let mut agent = Agent::new(1, 0);
    agent.hello();

    assert!(reconnects(&agent.wait(seconds(10))));
}

#[test]
fn what_waited_in_the_socket_while_the_process_was_stopped_is_not_taken() {
    let mut agent = Agent::connected(1, 0);
    agent.now += seconds(3600);

    agent.give(vec![lease(1)]);

    assert!(agent.started().is_empty());
    assert!(agent.reconnect().held.is_empty());
}

#[test]
fn work_stops_when_two_thirds_of_the_ttl_have_passed_since_the_last_echoed_heartbeat_was_sent() {
    let mut agent = Agent::connected(1, 0);
    agent.give(vec![lease(1)]);
    agent.started();
    agent.now += seconds(5);
    let sent_time = agent.now;
    let heartbeat = agent.heartbeat();
    agent.now += seconds(3);
    agent.echo(&heartbeat);
    agent.session.disconnect();

    agent.now = sent_time + seconds(19);
    assert!(stops(&agent.effects()).is_empty());
    assert_eq!(agent.session.next_time(), sent_time + seconds(20));

    assert_eq!(stops(&agent.wait(seconds(1))), [(key(1), StopReason::Lost)]);
    agent.end(1, Outcome::Stopped);
    agent.reconnect();
    assert_eq!(told(&agent.reports()), [(1, "task-1", "started"), (2, "task-1", "returned")]);
}

#[test]
fn an_echo_of_a_heartbeat_from_before_a_lease_does_not_renew_it() {
    let mut agent = Agent::connected(1, 0);
    agent.now += seconds(5);
    let before = agent.heartbeat();
    agent.give(vec![lease(1)]);
    agent.started();
    agent.now += seconds(9);
    agent.echo(&before);
    agent.session.disconnect();

    // It is trusted from the Hello, or from a third of its time to live before it came: from the later of the two.
    agent.now = seconds(100) + seconds(20);

    assert_eq!(stops(&agent.effects()), [(key(1), StopReason::Lost)]);
}

#[test]
fn moving_means_to_connect_elsewhere_after_the_delay() {
    let mut agent = Agent::connected(1, 0);
    let delay = Some(prost_types::Duration { seconds: 2, nanos: 0 });

    agent.hear(Heard::Moving(v1::Moving { message: "update".into(), delay }));

    let effects = agent.effects();
    assert!(
        matches!(effects.as_slice(), [super::super::Effect::Reconnect(each)] if each.elsewhere && each.delay == seconds(2))
    );
}

#[test]
fn a_message_before_welcome_or_one_that_is_not_known_changes_nothing() {
    let mut agent = Agent::new(1, 0);
    agent.hello();

    agent.give(vec![lease(1)]);
    agent.session.receive(v1::CoordinatorMessage { content: None }, agent.now);

    assert!(agent.effects().is_empty());
    assert!(agent.say().is_empty());
}
