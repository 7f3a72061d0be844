//! The one owner of live state: roster, inbox cursors, Hand queue, timers.
//!
//! `apply` takes a command and says, as effects, what is to be done after the commit. It is synchronous and
//! deterministic: no clock, no socket, no randomness, and none of its neighbours is imported. Its state is a
//! function of the store: `Hub::rebuild` of what was committed equals the hub that committed it.

pub mod command;
pub mod effect;
pub mod queue;
pub mod records;

pub use command::{Change, Command, CommandBody, HubConfig, Origin};
pub use effect::Effect;
