//! Turns of an aspect by real binaries: cut off by kill -9 at every write, cancelled, judged, passed over, out of
//! their budget. What is on record in the end is what a person was told.

mod apart;
mod budgeted;
mod cancelled;
mod killed;
mod look;
mod sifted;
mod stopped;
