//! The agent runtime: one process per aspect. It owns the aspect's sessions, runs its turns and Hands, and
//! reaches the team through the broker.

pub mod agent;
#[cfg(test)]
#[path = "../../../tests/src/altered.rs"]
mod altered;
pub mod cli;
pub mod conversation;
mod hands;
pub mod home;
pub mod inbox;
pub mod journal;
pub mod outbox;
pub mod provider;
pub mod runner;
pub mod sandbox;
pub mod servers;
pub mod session;
pub mod tools;
mod trace;
mod triage;
pub mod turn;
pub mod uplink;
mod watches;
