//! The addresses of an agent, tried one after another: first those that it was given, behind them those that the coordinators name.

use crate::address::parse_addresses;

/// A team has a handful of coordinators; more than this is a mistake.
const ADDRESSES_MAX: usize = 32;

#[derive(Debug)]
pub struct Addresses {
    given: Vec<String>,
    ring: Vec<String>,
    index: usize,
}

impl Addresses {
    /// Begins with the one at this place, so that a fleet can spread over all coordinators.
    pub fn new(given: Vec<String>, place: usize) -> Self {
        let index = place % given.len();
        Self { ring: given.clone(), given, index }
    }

    pub fn current(&self) -> &str {
        &self.ring[self.index]
    }

    pub fn advance(&mut self) {
        self.index = (self.index + 1) % self.ring.len();
    }

    /// Puts the live coordinators in the place of those learned before, and keeps the current one. A coordinator that names something
    /// strange must not keep the agent from the others.
    pub fn learn(&mut self, live: &[String]) {
        let current = self.current().to_owned();
        let learned = live.iter().filter_map(|each| parse_addresses(each).ok()).flatten();
        let mut ring = self.given.clone();
        for each in learned.chain([current.clone()]) {
            let last = each == current;
            if !ring.contains(&each) && (ring.len() < ADDRESSES_MAX || last) {
                ring.push(each);
            }
        }
        self.index = ring.iter().position(|each| *each == current).unwrap_or(0);
        self.ring = ring;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_coordinators_name_comes_behind_what_was_given_and_replaces_what_they_named_before() {
        let mut addresses = Addresses::new(vec!["a:1".into()], 0);

        addresses.learn(&["b:1".into(), "a:1".into(), "no address".into()]);
        addresses.advance();
        addresses.learn(&["c:1".into()]);

        assert_eq!((addresses.current(), addresses.ring.join(" ").as_str()), ("b:1", "a:1 c:1 b:1"));
        addresses.advance();
        assert_eq!(addresses.current(), "a:1");
    }
}
