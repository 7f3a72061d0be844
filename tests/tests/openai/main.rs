//! The OpenAI-compatible API by real binaries, as plain HTTP: what is asked and answered, in which thread it is on
//! record, who may, and what becomes of a request that is cut off.

mod cut;
mod embed;
mod look;
mod said;
mod who;
