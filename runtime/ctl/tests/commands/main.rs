//! Whole commands, from what is typed to what is printed, against a broker that follows a script.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a script names the frames it expects; any other fails its test"
)]

mod ask;
mod forms;
mod lists;
mod narrow;
mod stub;
mod waiting;
