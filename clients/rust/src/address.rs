//! Addresses of coordinators.

use std::{fmt, net::Ipv6Addr};

/// Where coordinators listen unless told otherwise.
pub const DEFAULT_PORT: u16 = 7070;

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl AddressError {
    pub(crate) fn new(address: &str) -> Self {
        Self(address.into())
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\" is no address; give \"host:port\", or several separated by commas", self.0)
    }
}

impl std::error::Error for AddressError {}

/// Splits addresses at commas and gives each a port, in order, each once.
///
/// # Errors
/// If one of them is no address, or there is none.
pub fn parse_addresses(addresses: &str) -> Result<Vec<String>, AddressError> {
    let mut parsed = Vec::new();
    for part in addresses.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let address = with_port(part).ok_or_else(|| AddressError::new(part))?;
        if !parsed.contains(&address) {
            parsed.push(address);
        }
    }
    if parsed.is_empty() { Err(AddressError::new(addresses)) } else { Ok(parsed) }
}

fn with_port(address: &str) -> Option<String> {
    if let Ok(host) = address.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        return Some(format!("[{host}]:{DEFAULT_PORT}"));
    }
    let (host, port) =
        address.rsplit_once(':').map_or((address, DEFAULT_PORT), |(host, port)| (host, port.parse().unwrap_or(0)));
    let allowed = |each: char| each.is_ascii_alphanumeric() || "-._:[]%".contains(each);
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    let good = !host.is_empty() && port != 0 && host.chars().all(allowed) && !bare_ipv6;
    good.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_gets_a_port_and_stands_once() {
        let parsed = parse_addresses(" a:1, b ,a:1,, ::1,[::1]:80 ").unwrap();

        assert_eq!(parsed, ["a:1", "b:7070", "[::1]:7070", "[::1]:80"]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["", ",", "a:0", "a:70000", ":1", "a:b", "http://a:1", "a b:1"] {
            assert!(parse_addresses(wrong).is_err(), "{wrong}");
        }
    }
}
