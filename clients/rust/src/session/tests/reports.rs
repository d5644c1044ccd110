use super::fixture::{Agent, key, lease, seconds, succeeded, told};
use crate::{
    session::{
        limits::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX},
        outcome::Outcome,
    },
    v1::{self, agent_message::Content as Said},
};

fn progress(fraction: f64) -> v1::Progress {
    v1::Progress { fraction: Some(fraction), message: String::new() }
}

#[test]
fn what_is_not_acknowledged_is_sent_again_in_order_with_the_same_numbers() {
    let mut agent = Agent::connected(2, 0);
    agent.give(vec![lease(1), lease(2)]);
    agent.started();
    let first = agent.reports();
    agent.end(1, succeeded());
    agent.acknowledge(1);
    agent.reports();

    agent.reconnect();

    let again = agent.reports();
    assert_eq!(told(&first), [(1, "task-1", "started"), (2, "task-2", "started")]);
    assert_eq!(told(&again), [(2, "task-2", "started"), (3, "task-1", "succeeded")]);
}

#[test]
fn an_acknowledgement_that_was_lost_with_its_stream_counts_on_the_next_one_before_anything_is_sent() {
    let mut agent = Agent::connected(1, 0);
    agent.give(vec![lease(1)]);
    agent.started();
    agent.reports();
    agent.end(1, succeeded());
    agent.reports();
    agent.reconnect();

    agent.acknowledge(2);

    assert!(agent.reports().is_empty());
    assert!(agent.reconnect().held.is_empty());
}

#[test]
fn a_start_that_was_not_sent_before_the_end_is_told_by_the_end() {
    let mut agent = Agent::connected(1, 0);
    agent.give(vec![lease(1)]);
    agent.started();

    agent.end(1, succeeded());

    assert_eq!(told(&agent.reports()), [(1, "task-1", "succeeded")]);
}

#[test]
fn reports_confirm_a_batch_of_leases_and_without_any_a_receipt_does_after_a_moment() {
    let mut agent = Agent::connected(1, 1);
    agent.give(vec![lease(1)]);
    agent.started();
    assert!(matches!(agent.say().as_slice(), [Said::Reports(batch)] if batch.lease_batch == 1));

    agent.give(vec![lease(2)]);
    assert!(agent.say().is_empty());
    agent.now = agent.session.next_message_time();

    assert!(matches!(agent.say().as_slice(), [Said::LeaseReceipt(receipt)] if receipt.number == 2));
    assert!(agent.say().is_empty());
}

#[test]
fn a_message_has_at_most_so_many_reports_and_bytes() {
    let slots = 300;
    let mut agent = Agent::connected(slots, 0);
    agent.give((0..u64::from(slots)).map(lease).collect());
    agent.started();
    let sizes = |said: Vec<Said>| -> Vec<usize> {
        said.into_iter()
            .filter_map(|each| if let Said::Reports(batch) = each { Some(batch.reports.len()) } else { None })
            .collect()
    };
    assert_eq!(sizes(agent.say()), [BATCH_ITEMS_MAX, BATCH_ITEMS_MAX, 44]);

    for number in 0..3 {
        agent.end(number, Outcome::Succeeded(v1::Payload { data: vec![0; BATCH_BYTES_MAX / 2], ..Default::default() }));
    }

    assert_eq!(sizes(agent.say()), [1, 1, 1]);
}

#[test]
fn only_the_newest_progress_is_sent_once_a_second_and_one_at_a_time() {
    let mut agent = Agent::connected(1, 0);
    agent.give(vec![lease(1)]);
    agent.started();
    agent.reports();
    agent.session.progress(&key(1), progress(0.1));
    agent.session.progress(&key(1), progress(0.2));
    assert_eq!(told(&agent.reports()), [(2, "task-1", "progress")]);

    agent.session.progress(&key(1), progress(0.3));
    agent.now += seconds(2);
    assert!(agent.reports().is_empty(), "the one before is not acknowledged");
    agent.acknowledge(2);

    let sent = agent.reports();
    assert_eq!(told(&sent), [(3, "task-1", "progress")]);
    agent.acknowledge(3);
    agent.session.progress(&key(1), progress(0.4));
    assert!(agent.reports().is_empty(), "a second has not passed");
    agent.now = agent.session.next_message_time();
    assert_eq!(told(&agent.reports()), [(4, "task-1", "progress")]);
}

#[test]
fn an_outcome_that_is_invalid_is_a_failure_then_returned_then_given_up() {
    let mut agent = Agent::connected(1, 0);
    agent.give(vec![lease(1)]);
    agent.started();
    agent.reports();
    agent.end(1, succeeded());
    assert_eq!(told(&agent.reports()), [(2, "task-1", "succeeded")]);

    agent.refuse(2, v1::RefusalReason::Invalid);
    assert_eq!(told(&agent.reports()), [(3, "task-1", "failed")]);
    agent.refuse(3, v1::RefusalReason::Invalid);
    assert_eq!(told(&agent.reports()), [(4, "task-1", "returned")]);
    agent.refuse(4, v1::RefusalReason::Invalid);

    assert!(agent.reports().is_empty());
    assert!(agent.reconnect().held.is_empty());
}
