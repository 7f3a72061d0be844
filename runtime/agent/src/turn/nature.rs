//! What a tool is to a turn: whether it may be repeated, whether it does something, and whether people are asked.

use std::fmt;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Nature {
    /// May it be called again when it is not known whether the first call had an effect?
    pub repeatable: bool,
    /// Does it do something, so that a turn without a word was not in vain?
    pub acts: bool,
    /// Are people asked before it runs?
    pub asks: bool,
    /// Are people asked whether it may run again without the sandbox that stopped it?
    pub asks_again: bool,
}

/// The nature of each tool by its name.
#[derive(Clone)]
pub enum Natures {
    Fixed(fn(&str) -> Nature),
    /// Tools come and go while the process runs.
    Of(Arc<dyn Fn(&str) -> Nature + Send + Sync>),
}

impl Natures {
    pub fn of(&self, tool: &str) -> Nature {
        match self {
            Self::Fixed(of) => of(tool),
            Self::Of(of) => of(tool),
        }
    }
}

impl fmt::Debug for Natures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Natures")
    }
}
