//! What somebody who means harm does to a broker, and what a bad day does to it.

mod clock;
mod crowd;
mod dispatch;
mod faults;
mod hands;
mod http;
mod identity;
mod invitations;
mod knowledge;
mod mcp;
mod party;
mod presence;
mod refusals;
mod sizes;
mod sockets;
mod stopping;
mod storage;
mod streams;
mod threads;
mod unreachable;
mod watching;
