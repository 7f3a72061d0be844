//! The client against a broker made of a few lines, which does what the test says: cuts, lies and refuses.

mod clock;
mod follow;
mod link;
mod session;
mod stub;
mod tls;
mod token;
