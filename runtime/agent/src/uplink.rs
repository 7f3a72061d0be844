//! Everything between this process and its broker.

mod line;

pub use line::{Line, LineError};
pub(crate) use line::{LineEnd, Request, line};
