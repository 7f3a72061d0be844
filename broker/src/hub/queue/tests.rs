//! The queue against its design: a table for each sentence, random operations and a simulated world, all of
//! them watched by an oracle that decides by brute force who is next.

/// A check that names what it found.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

mod fairness;
mod harness;
mod leases;
mod ledger;
mod oracle;
mod order;
mod random;
mod simulation;
mod stopped;
mod trees;
mod world;
