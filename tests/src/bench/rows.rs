//! One module for each group of figures; each measures one round of it.

pub(crate) mod asleep;
pub(crate) mod core;
pub(crate) mod durable;
pub(crate) mod fanout;
pub(crate) mod hands;
pub(crate) mod idle;
pub(crate) mod register;
pub(crate) mod relay;
pub(crate) mod replay;
pub(crate) mod send;
pub(crate) mod session;
pub(crate) mod start;
pub(crate) mod stuck;
pub(crate) mod tls;
pub(crate) mod triggers;
