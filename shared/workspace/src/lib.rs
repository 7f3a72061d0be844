//! A workspace: the files a team is made of. Under the user's own folder lie the defaults that Nexus ships, the
//! *framework*; what is in effect is the two of them together.
//!
//! A file of the same path takes the place of the framework's, `<name>.patch.toml` changes fields of one, and
//! `<name>.remove` hides a file or a folder. Files are known by the hash of what is in them, so reading them again
//! changes nothing. Nothing here runs or loads what the files describe.

mod contribute;
mod diff;
mod fault;
mod home;
mod init;
mod layer;
mod load;
mod merge;
mod note;
mod overlay;
mod scan;
mod skill;
mod validate;

pub use contribute::{Contribution, contribute};
pub use diff::diff;
pub use fault::Fault;
pub use home::{HOME_FILE, shipped_home};
pub use init::{InitError, Kind, init};
pub use layer::{Layer, framework, read, stamp};
pub use load::{Item, Load, Loaded, load};
pub use overlay::{Effective, Origin, Overlay, sha256};
pub use skill::{Skill, Skills};
pub use validate::validate;
