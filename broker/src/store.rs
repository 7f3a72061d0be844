//! Where the hub's rows are kept: a SQLite file, or memory for simulations. Stores know rows and no rules.

mod head;
mod logged;
pub mod memory;
mod page;
mod query;
mod snippet;
pub mod sqlite;

pub use head::{Head, NotAHead};
pub use memory::MemoryStore;
pub(crate) use sqlite::LOG_FILTER;
pub use sqlite::{
    Checked, CopyError, Indexed, Indexer, OpenError, Options, ReaderPool, SqliteReader, SqliteStore,
    Standing, Synchronous,
};
