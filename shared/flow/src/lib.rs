//! Flows as files and as what they mean.
//!
//! [`read`] takes a YAML or TOML file and gives a flow, or every fault that was found with the line and column it
//! stands at. [`check`] says what is wrong with a flow that came in any other way, by the path of each fault; [`Plan`]
//! is a flow that has been checked, with its expressions parsed. [`read_as`] reads other things that are written the same
//! way. No I/O, no clock.

mod act;
mod check;
mod graph;
mod keys;
mod node;
mod plan;
mod read;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

pub use act::{DATE_NAMES, Moment, date, zone};
pub use check::{Problem, check};
pub use plan::{Act, OnFailure, Plan, Step};
pub use read::{Fault, Format, Places, read, read_as};
