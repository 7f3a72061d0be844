//! Everything between this process and its broker: the link, the books of what is owed either way, and the line by
//! which the rest of the process asks for something without knowing of links.

mod books;
mod courier;
mod intake;
mod line;

pub use books::BooksError;
pub(crate) use books::{Books, Opened};
pub(crate) use courier::{carry_posts, serve};
pub(crate) use intake::{Happening, REGISTER_TIMEOUT, Uplink};
#[cfg(test)]
pub(crate) use line::LineEnd;
pub(crate) use line::line;
pub use line::{Line, LineError};
