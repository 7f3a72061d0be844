//! Providers that are not scripted, end to end: real binaries against servers and programs that speak as they do.

mod command;
mod failover;
mod keys;
mod ollama;
mod stub;
