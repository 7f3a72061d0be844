//! The runner through the real binaries: scripts, calls, waits and messages as Hands, what hostile input comes to, and the
//! truth about work whose agent was killed.

mod alerts;
mod common;
mod moved;
mod scripts;
mod webhooks;
