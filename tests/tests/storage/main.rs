//! What operators do with a broker's storage: back it up, put it back, verify it, upgrade it.

mod backup;
mod blobs;
mod damaged;
mod full;
mod retention;
mod upgrade;
mod waiting;
