//! The A2A door, through the real binaries: what a client of others sees of a team.

mod client;
mod follow;
mod push;
mod roles;
mod rules;
mod talk;
