//! The hub from outside, on both stores: commands in, effects out, and `rebuild(store) == hub` after each batch.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing fails")]

mod access;
mod admin;
mod alerts;
mod approval;
mod budget;
mod causes;
mod chat;
mod dispatch;
mod failure;
mod files;
mod find;
mod flow_events;
mod flow_random;
mod flows;
mod gather;
mod hands;
mod hooks;
mod invitations;
mod knowledge;
mod push;
mod random;
mod register;
mod registries;
mod restrain;
mod same;
mod search;
mod sessions;
mod spending;
mod storage;
mod threads;
mod trace;
mod triggers;
mod triggers_random;
mod watch;
mod watches;
mod world;
