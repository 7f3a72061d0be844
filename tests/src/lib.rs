//! What the end-to-end tests, the simulation and the benchmarks share.
//!
//! The checks themselves are in `tests/tests/`; this crate depends on every other and none depends on it.

pub mod canary;
pub mod collector;
pub mod inlet;
pub mod process;
pub mod raw;
pub mod session;
pub mod sim;
pub mod trace;
pub mod world;

pub use process::{Process, connect, wait_until};
pub use world::World;
