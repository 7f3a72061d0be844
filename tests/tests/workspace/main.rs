//! `nexus workspace`, and a broker that keeps one, through the real programs.

mod common;
mod files;
mod home;
mod kept;
mod story;
