//! What is in effect of a framework and a workspace. Pure: the same two layers are the same overlay.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::fault::Fault;
use crate::home::HOME_FILE;
use crate::layer::Layer;
use crate::merge::{PATCH, patched};

const REMOVE: &str = ".remove";
/// What a patch may change, in the order in which it is looked for.
const PATCHABLE: [&str; 4] = [".json", ".toml", ".yaml", ".yml"];

/// Where a file in effect comes from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// As it was shipped.
    Framework,
    /// The workspace's alone.
    Workspace,
    /// The workspace's, in the place of one that was shipped.
    Replaced,
    /// One that is there, with fields of the workspace's patch.
    Patched,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Framework => "framework",
            Self::Workspace => "workspace",
            Self::Replaced => "replaced",
            Self::Patched => "patched",
        }
    }
}

/// A file in effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effective {
    pub bytes: Vec<u8>,
    pub origin: Origin,
    /// The file of the workspace that has made it what it is, if one has.
    pub by: Option<String>,
}

impl Effective {
    /// Of its contents, in hexadecimal: what it is known by.
    pub fn sha256(&self) -> String {
        sha256(&self.bytes)
    }
}

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything in effect, by path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Overlay {
    pub files: BTreeMap<String, Effective>,
    /// What was shipped and is hidden, with the file that hides it.
    pub hidden: BTreeMap<String, String>,
    /// What the workspace says that could not be done.
    pub faults: Vec<Fault>,
}

impl Overlay {
    pub fn of(framework: &Layer, workspace: &Layer) -> Self {
        let mut overlay = Self::default();
        for (path, bytes) in framework {
            let file = Effective { bytes: bytes.clone(), origin: Origin::Framework, by: None };
            overlay.files.insert(path.clone(), file);
        }
        // First what goes, so that a file of the workspace may stand where something was hidden.
        for path in workspace.keys() {
            if let Some(target) = path.strip_suffix(REMOVE) {
                overlay.hide(path, target);
            }
        }
        for (path, bytes) in workspace.iter().filter(|(path, _)| !is_about_another(path)) {
            let origin = match framework.contains_key(path) {
                true => Origin::Replaced,
                false => Origin::Workspace,
            };
            let file = Effective { bytes: bytes.clone(), origin, by: Some(path.clone()) };
            overlay.files.insert(path.clone(), file);
        }
        for (path, patch) in workspace {
            if let Some(stem) = path.strip_suffix(PATCH) {
                overlay.patch(path, stem, patch);
            }
        }
        overlay
    }

    fn hide(&mut self, by: &str, target: &str) {
        let below = format!("{target}/");
        let gone: Vec<String> =
            self.files.keys().filter(|path| *path == target || path.starts_with(&below)).cloned().collect();
        if gone.is_empty() {
            self.faults
                .push(Fault::of_file(by, format!("it hides {target}, and nothing of that name is shipped")));
        }
        for path in gone {
            self.files.remove(&path);
            self.hidden.insert(path, by.to_owned());
        }
    }

    fn patch(&mut self, by: &str, stem: &str, patch: &[u8]) {
        if HOME_FILE.strip_suffix(".yaml") == Some(stem) {
            let message = format!("{HOME_FILE} is replaced as a whole; write one of that name");
            self.faults.push(Fault::of_file(by, message));
            return;
        }
        let names = PATCHABLE.map(|kind| format!("{stem}{kind}"));
        let Some(name) = names.iter().find(|name| self.files.contains_key(*name)) else {
            let message = format!("it changes one of {}, and none is there", names.join(", "));
            self.faults.push(Fault::of_file(by, message));
            return;
        };
        let Some(file) = self.files.get_mut(name) else { return };
        match patched(name, &file.bytes, by, patch) {
            Ok(bytes) => *file = Effective { bytes, origin: Origin::Patched, by: Some(by.to_owned()) },
            Err(fault) => self.faults.push(fault),
        }
    }
}

/// Whether a file of the workspace says something of another one.
fn is_about_another(path: &str) -> bool {
    path.ends_with(PATCH) || path.ends_with(REMOVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> Layer {
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_workspace_replaces_patches_hides_and_adds() {
        let framework = layer(&[
            ("aspects/keel/aspect.json", r#"{"name": "keel", "slots": 1}"#),
            ("aspects/keel/SOUL.md", "calm"),
            ("aspects/wren/aspect.json", "{}"),
            ("aspects/wren/SOUL.md", "exact"),
            ("skills/sum.md", "# sum"),
            ("skills/check.md", "# check"),
        ]);
        let workspace = layer(&[
            ("aspects/keel/aspect.patch.toml", "slots = 4"),
            ("aspects/keel/SOUL.md", "calmer"),
            ("aspects/wren.remove", ""),
            ("aspects/wren/SOUL.md", "another wren"),
            ("skills/check.md.remove", ""),
            ("skills/own.md", "# own"),
            ("skills/none.remove", ""),
            ("flows/none.patch.toml", ""),
            ("workspace.patch.toml", ""),
        ]);
        let overlay = Overlay::of(&framework, &workspace);
        let told: Vec<(&str, Origin, &str)> = overlay
            .files
            .iter()
            .map(|(path, file)| (path.as_str(), file.origin, file.by.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(
            told,
            [
                ("aspects/keel/SOUL.md", Origin::Replaced, "aspects/keel/SOUL.md"),
                ("aspects/keel/aspect.json", Origin::Patched, "aspects/keel/aspect.patch.toml"),
                ("aspects/wren/SOUL.md", Origin::Replaced, "aspects/wren/SOUL.md"),
                ("skills/own.md", Origin::Workspace, "skills/own.md"),
                ("skills/sum.md", Origin::Framework, "-"),
            ]
        );
        let hidden: Vec<(&str, &str)> =
            overlay.hidden.iter().map(|(path, by)| (path.as_str(), by.as_str())).collect();
        assert_eq!(
            hidden,
            [
                ("aspects/wren/SOUL.md", "aspects/wren.remove"),
                ("aspects/wren/aspect.json", "aspects/wren.remove"),
                ("skills/check.md", "skills/check.md.remove"),
            ]
        );
        let faults: Vec<String> = overlay.faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "skills/none.remove: it hides skills/none, and nothing of that name is shipped",
                "flows/none.patch.toml: it changes one of flows/none.json, flows/none.toml, flows/none.yaml, flows/none.yml, and none is there",
                "workspace.patch.toml: workspace.yaml is replaced as a whole; write one of that name",
            ]
        );
        assert_eq!(overlay, Overlay::of(&framework, &workspace));
        assert_eq!(overlay.files["skills/own.md"].sha256().len(), 64);
    }
}
