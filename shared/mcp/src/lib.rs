//! The team as an MCP server, whatever carries it: tools, resources, prompts, and every Hand as a tool.
//!
//! A transport makes a [`TeamServer`] for each of its clients, over a [`Bus`] that speaks to the broker as that
//! client's identity. Every request becomes frames of our own protocol, admitted as that identity, so that nothing
//! can be done here which it could not do on a link. Nothing is decided, kept or dialled here.

mod aspects;
pub mod bus;
mod complete;
mod fault;
mod hands;
mod heard;
mod prompts;
mod resources;
mod server;
mod tasks;
mod tools;
mod unread;
mod watch;

pub use bus::{Bus, Heard, Role, Who};
pub use server::TeamServer;
