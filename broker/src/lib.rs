//! The Nexus broker: the live roster, routing, the Hand queue and the knowledge store.
//!
//! The way of a frame: `listen` → `admit` → `sequencer` → `core` (which applies batches to the `hub` and the
//! `store`) → `deliver`. What streams goes through `relay`; what reads goes through `observe`.

pub mod hub;
pub mod store;
mod clock;
pub mod config;
mod datadir;
mod identity;
mod admit;
mod deliver;
mod relay;
