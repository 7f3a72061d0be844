//! Several teams in one broker, each in a Nexus of its own: how they come and go, and that nothing of one is ever seen
//! by another.

mod bus;
mod door;
mod doors;
mod full;
mod house;
mod life;
mod payloads;
mod walk;
