//! The Nexus broker: the live roster, routing, the Hand queue and the knowledge store.
//!
//! The way of a frame: `listen` → `admit` → `sequencer` → `core` (which applies batches to the `hub` and the
//! `store`) → `deliver`. What streams goes through `relay`; what reads goes through `observe`.

mod admit;
#[cfg(test)]
#[path = "../../tests/src/altered.rs"]
mod altered;
mod backup;
mod blobs;
pub mod cli;
mod clock;
pub mod config;
mod core;
pub mod datadir;
mod deliver;
mod doctor;
mod edge;
mod framing;
pub mod hub;
mod identity;
mod indexing;
mod listen;
mod meter;
mod observe;
mod processes;
mod questions;
mod relay;
mod sequencer;
pub mod serve;
mod setup;
pub mod spawn;
pub mod store;
mod task;
pub mod tenants;
mod traces;
mod trail;
pub mod workspace;

/// The OpenAPI document of the HTTP API, as text.
pub fn openapi() -> String {
    listen::openapi()
}
