//! What the programs of people have in common: which broker is meant, why something failed, how things look.
//!
//! - [`settings`] chooses a broker and a token from flags, environment and contexts;
//! - [`failure`] tells apart why something was not done, by exit code;
//! - [`shown`] and [`words`] make the same thing look the same everywhere.

pub mod failure;
pub mod settings;
pub mod shown;
pub mod words;
