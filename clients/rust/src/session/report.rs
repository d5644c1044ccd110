//! The reports that no coordinator has acknowledged yet: numbered, kept, sent in bounded batches, and sent again.
//!
//! Nothing here knows what a report means, but for one thing: a start that was not sent before the work has succeeded or failed need
//! not be said, since the outcome says it, too. Short work then takes one report instead of two.

use std::collections::{BTreeMap, VecDeque};

use prost::Message as _;

use super::{
    effect::Key,
    limits::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX},
};
use crate::v1::{self, report::Event};

/// Whether it is the last word on its lease.
pub fn is_outcome(event: &Event) -> bool {
    !matches!(event, Event::Started(_) | Event::Progress(_) | Event::Checkpoint(_))
}

fn tells_the_start(event: &Event) -> bool {
    matches!(event, Event::Succeeded(_) | Event::Failed(_))
}

/// A report that is kept, with its size.
#[derive(Debug)]
pub struct Entry {
    pub report: v1::Report,
    size: usize,
}

impl Entry {
    pub fn key(&self) -> Key {
        Key { task_id: self.report.task_id.clone(), token: self.report.token }
    }
}

/// Reports in the order of their numbers: first those sent on this stream, then those still to be sent.
#[derive(Debug, Default)]
pub struct ReportLog {
    last_number: u64,
    pub unacknowledged_bytes: usize,
    entries: VecDeque<Entry>,
    /// How many of the entries, from the first, were sent on this stream.
    sent: usize,
    /// The numbers of starts that are unsent and the last word on their lease.
    starts: BTreeMap<Key, u64>,
}

impl ReportLog {
    /// Appends a report with the next number; an outcome takes the place of its lease's start, if that is unsent.
    pub fn add(&mut self, key: &Key, event: Event) {
        let start = self.starts.remove(key);
        if let Some(number) = start.filter(|_| tells_the_start(&event)) {
            self.replace(number, event);
            return;
        }
        self.last_number += 1;
        if matches!(event, Event::Started(_)) {
            self.starts.insert(key.clone(), self.last_number);
        }
        let (task_id, token) = (key.task_id.clone(), key.token);
        let report = v1::Report { number: self.last_number, task_id, token, event: Some(event) };
        let size = report.encoded_len();
        self.unacknowledged_bytes += size;
        self.entries.push_back(Entry { report, size });
    }

    fn replace(&mut self, number: u64, event: Event) {
        let Ok(index) = self.entries.binary_search_by_key(&number, |entry| entry.report.number) else {
            return;
        };
        let entry = &mut self.entries[index];
        entry.report.event = Some(event);
        let size = entry.report.encoded_len();
        self.unacknowledged_bytes = self.unacknowledged_bytes + size - entry.size;
        entry.size = size;
    }

    /// A new stream: everything that is not acknowledged is to be sent again, in order, with the same numbers.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The next reports to send, within the bounds of a message; a report that is larger than that goes alone.
    pub fn next_batch(&mut self) -> Vec<v1::Report> {
        let mut bytes = 0;
        let fitting =
            self.entries.iter().skip(self.sent).take(BATCH_ITEMS_MAX).enumerate().take_while(|(index, entry)| {
                bytes += entry.size;
                *index == 0 || bytes <= BATCH_BYTES_MAX
            });
        let batch: Vec<v1::Report> = fitting.map(|(_, entry)| entry.report.clone()).collect();
        self.sent += batch.len();
        if let Some(last) = batch.last() {
            self.starts.retain(|_, number| *number > last.number);
        }
        batch
    }

    /// Takes off, and returns, every report up to this number. One that was not sent on this stream counts, too: an earlier stream's
    /// acknowledgement may have been lost, and the coordinator tells how far it is.
    pub fn acknowledged(&mut self, number: u64) -> Vec<Entry> {
        let done: Vec<Entry> =
            self.entries.drain(..self.entries.partition_point(|each| each.report.number <= number)).collect();
        self.sent = self.sent.saturating_sub(done.len());
        self.unacknowledged_bytes -= done.iter().map(|entry| entry.size).sum::<usize>();
        // A start that is gone leaves no place for an outcome.
        self.starts.retain(|_, start| *start > number);
        done
    }
}
