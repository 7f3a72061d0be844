//! `nexus-watch` in a pseudo terminal.

mod story;
mod terminal;
