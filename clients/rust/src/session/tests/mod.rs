//! The session by itself: no network, and a clock that each test moves.

mod cut;
mod fixture;
mod leases;
mod leaving;
mod liveness;
mod reports;
