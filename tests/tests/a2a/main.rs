//! The A2A door, through the real binaries: what a client of others sees of a team.

mod client;
mod follow;
mod rules;
mod talk;
