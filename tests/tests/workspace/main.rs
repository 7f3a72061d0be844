//! `nexus workspace`, and a broker that keeps one, through the real programs.

mod common;
mod files;
mod followups;
mod home;
mod kept;
mod story;
