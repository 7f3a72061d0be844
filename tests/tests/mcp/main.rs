//! `nexus-mcp` as an assistant starts it: the real program over its standard streams, driven by the client of the rmcp
//! library, against a real broker and real agents.

mod config;
mod desk;
mod hands;
mod outage;
mod roles;
mod secrets;
mod streams;
mod tools;
mod unread;
