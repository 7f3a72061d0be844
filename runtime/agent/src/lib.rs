//! The agent runtime: one process per aspect. It owns the aspect's sessions, runs its turns and Hands, and
//! reaches the team through the broker.

pub mod conversation;
pub mod journal;
pub mod provider;
pub mod session;
