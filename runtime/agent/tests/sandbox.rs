//! Ways out of the sandbox of `run_command`. Each is first shown to work without it, so that what stops it is the sandbox;
//! then it is tried in every kind of sandbox this machine has.

#[path = "sandbox/bounds.rs"]
mod bounds;
#[path = "sandbox/escapes.rs"]
mod escapes;
#[path = "sandbox/site.rs"]
mod site;
