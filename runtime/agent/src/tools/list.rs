//! `list_files`: what lies in a folder, some levels deep.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::whole;
use super::roots::{PathError, Place, Roots, is_closed};

const ENTRIES_MAX: usize = 500;
const DEPTH_DEFAULT: u64 = 2;
const DEPTH_MAX: u64 = 16;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListFiles {
    /// The folder, as <root>/<path in that root>; all roots when absent.
    #[serde(default)]
    path: Option<String>,
    /// How many levels (2; at most 16).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    depth: Option<u64>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Listing {
    entries: Vec<Listed>,
    /// There is more; list a folder of it.
    truncated: bool,
}

impl super::Shrink for Listing {
    fn shrink(&mut self) -> bool {
        self.truncated = true;
        let kept = self.entries.len() / 2;
        self.entries.truncate(kept);
        kept > 0
    }
}

#[derive(Debug, PartialEq, Serialize)]
struct Listed {
    path: String,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    File,
    Folder,
    Link,
    /// A pipe, a socket or a device.
    Special,
}

impl ListFiles {
    pub(crate) fn run(&self, roots: &Roots) -> Result<Listing, PathError> {
        let depth = self.depth.unwrap_or(DEPTH_DEFAULT).clamp(1, DEPTH_MAX);
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let mut listing = Listing { entries: Vec::new(), truncated: false };
        for place in roots.resolve_or_all(self.path.as_deref())? {
            for entry in walk(&place, Some(depth)) {
                if listing.entries.len() == ENTRIES_MAX {
                    listing.truncated = true;
                    return Ok(listing);
                }
                let Some(path) = place.shown_of(entry.path()) else { continue };
                listing.entries.push(listed(path, &entry));
            }
        }
        Ok(listing)
    }
}

fn listed(path: String, entry: &ignore::DirEntry) -> Listed {
    let kind = match entry.file_type() {
        Some(kind) if kind.is_file() => Kind::File,
        Some(kind) if kind.is_dir() => Kind::Folder,
        Some(kind) if kind.is_symlink() => Kind::Link,
        Some(_) | None => Kind::Special,
    };
    let bytes = match kind {
        Kind::File => entry.metadata().ok().map(|metadata| metadata.len()),
        Kind::Folder | Kind::Link | Kind::Special => None,
    };
    Listed { path, kind, bytes }
}

/// Everything beneath a place, in the order of paths: neither what is hidden or ignored by git, nor what lies
/// behind a link, nor keys.
pub(super) fn walk(place: &Place, depth: Option<usize>) -> impl Iterator<Item = ignore::DirEntry> {
    let top = place.real.clone();
    ignore::WalkBuilder::new(&place.real)
        // Rules from above the root would hide a `work` folder that its own repository ignores.
        .parents(false)
        .git_global(false)
        .require_git(false)
        .max_depth(depth)
        .filter_entry(move |entry| {
            !is_closed(entry.path().strip_prefix(&top).unwrap_or_else(|_| entry.path()))
        })
        .sort_by_file_path(Path::cmp)
        .build()
        // What cannot be read is left out; naming it directly says why.
        .filter_map(Result::ok)
        .filter(|entry| entry.depth() > 0 || entry.file_type().is_some_and(|kind| kind.is_file()))
}
