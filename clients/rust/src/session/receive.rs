//! What the session does with the coordinator's messages.

use std::collections::BTreeMap;

use super::{
    Effect, Key, NEVER, Phase, Reconnect, Session, StopReason, Time, WHY_DRAINING, WHY_FULL, WHY_RECALLED, WHY_STUCK,
    duration,
    limits::{REFUSED_OUTCOMES_MAX, self_stop, unconfirmed},
    outcome::{rejected, replacement},
    report::{Entry, is_outcome},
    time::after,
};
use crate::v1::{self, coordinator_message::Content, report::Event};

impl Session {
    /// Takes in a message of the current stream. Members that are not known are ignored, as the contract says.
    pub fn receive(&mut self, message: v1::CoordinatorMessage, now: Time) {
        if now >= self.liveness.silence_time() {
            // The stream counts as broken, and `tick` says so. What comes all the same may have waited in the socket for as long as
            // this process was stopped: a lease of it is not new, an echo no proof that anybody is there.
            return;
        }
        match message.content {
            Some(Content::Welcome(welcome)) if !self.connected() => self.on_welcome(welcome, now),
            Some(content) if self.connected() => self.on_content(content, now),
            _ => {}
        }
    }

    fn on_content(&mut self, content: Content, now: Time) {
        match content {
            Content::Welcome(_) => {}
            Content::HeartbeatEcho(echo) => self.liveness.echo(&echo, now),
            Content::Leases(batch) => self.on_leases(batch, now),
            Content::ReportAck(ack) => self.on_ack(&ack, now),
            Content::Orders(orders) => self.on_orders(&orders, now),
            Content::Moving(moving) => self.effects.push(Effect::Reconnect(Reconnect {
                why: format!("the coordinator said: {}", moving.message),
                delay: duration(moving.delay.as_ref()),
                elsewhere: true,
            })),
        }
    }

    /// Drops what Hello named and Welcome does not say to keep, whether it names it or not.
    fn on_welcome(&mut self, welcome: v1::Welcome, now: Time) {
        self.liveness.welcome(&welcome, now);
        self.drain.notice_due = self.drain.own;
        let mut gone = std::mem::take(&mut self.hello_held);
        for kept in &welcome.keep {
            gone.remove(&Key::from(kept));
        }
        for key in gone {
            self.drop_lease(&key, now);
        }
        self.on_orders(&welcome.orders.unwrap_or_default(), now);
    }

    fn on_leases(&mut self, batch: v1::LeaseBatch, now: Time) {
        self.receipts.arrive(batch.number, now);
        for lease in batch.leases {
            if self.leases.get(&Key::from(&lease)).is_none() {
                self.on_lease(lease, now);
            }
        }
    }

    fn on_lease(&mut self, lease: v1::Lease, now: Time) {
        let refusal = self.refusal(&lease);
        let closed = self.drain.closed();
        let ttl = duration(lease.ttl.as_ref());
        let trusted = self.liveness.echoed_time().max(now.saturating_sub(unconfirmed(ttl)));
        let key = self.leases.add(lease, ttl, trusted);
        self.self_stop_time = self.self_stop_time.min(after(trusted, self_stop(ttl)));
        if closed {
            self.give_back(&key, WHY_DRAINING);
        } else if let Some(why) = refusal {
            self.end(&key, Some(rejected(&why)));
        }
    }

    /// Why the agent cannot take this lease, if so.
    fn refusal(&self, lease: &v1::Lease) -> Option<String> {
        let kind = lease.spec.as_ref().map_or("", |spec| spec.kind.as_str());
        if !self.hello.kinds.iter().any(|each| each == kind) {
            return Some(format!("no handler for the kind {kind}"));
        }
        if self.lingering.told_tasks().contains(&lease.task_id) {
            return Some(WHY_STUCK.into());
        }
        self.leases.full().then(|| WHY_FULL.into())
    }

    fn on_ack(&mut self, ack: &v1::ReportAck, now: Time) {
        let refusals: BTreeMap<u64, &v1::Refusal> = ack.refusals.iter().map(|each| (each.number, each)).collect();
        for entry in self.reports.acknowledged(ack.number) {
            match refusals.get(&entry.report.number) {
                None => self.on_accepted(&entry),
                Some(refusal) => self.on_refused(&entry, refusal, now),
            }
        }
    }

    fn on_accepted(&mut self, entry: &Entry) {
        let key = entry.key();
        match &entry.report.event {
            Some(event) if is_outcome(event) => self.leases.forget(&key),
            Some(Event::Progress(_)) => self.notes.acknowledged(&key, &mut self.leases),
            _ => {}
        }
    }

    /// An outcome that the coordinator calls invalid is told once more as a plain failure, then the lease is given back, then given up.
    fn on_refused(&mut self, entry: &Entry, refusal: &v1::Refusal, now: Time) {
        let key = entry.key();
        if refusal.reason() != v1::RefusalReason::Invalid {
            return self.drop_lease(&key, now);
        }
        if !entry.report.event.as_ref().is_some_and(is_outcome) {
            return self.on_accepted(entry);
        }
        let Some(lease) = self.leases.get(&key) else { return };
        if lease.refused >= REFUSED_OUTCOMES_MAX {
            return self.drop_lease(&key, now);
        }
        lease.refused += 1;
        let event = replacement(lease.refused, &refusal.message);
        self.reports.add(&key, event);
    }

    fn on_orders(&mut self, orders: &v1::Orders, now: Time) {
        for each in &orders.drop {
            self.drop_lease(&each.into(), now);
        }
        for each in &orders.cancel {
            self.stop(&each.into(), StopReason::Cancel);
        }
        for each in &orders.recall {
            self.recall(&each.into());
        }
        if orders.resume {
            self.drain.resume();
        } else if let Some(order) = &orders.drain {
            self.on_drain(order, now);
        }
    }

    fn recall(&mut self, key: &Key) {
        if self.leases.get(key).is_some_and(|lease| lease.phase == Phase::Waiting) {
            self.give_back(key, WHY_RECALLED);
        }
    }

    fn on_drain(&mut self, order: &v1::DrainOrder, now: Time) {
        let limit = match order.mode() {
            v1::DrainMode::Return => Time::ZERO,
            _ => order.time_limit.as_ref().map_or(NEVER, |limit| duration(Some(limit))),
        };
        self.drain.order(now, limit);
        self.give_back_waiting();
        self.tick(now);
    }
}
