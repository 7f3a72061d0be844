//! Where the hub's rows are kept: a SQLite file, or memory for simulations. Stores know rows and no rules.

mod logged;
pub mod memory;
mod page;
mod query;
pub mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::{OpenError, Options, ReaderPool, SqliteReader, SqliteStore, Synchronous};
