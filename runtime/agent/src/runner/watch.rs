//! `runner.watches` in `aspect.json`: which folders are looked at, and what of them counts. The owner of the machine says
//! so; a trigger names a watch and nothing else.

use std::path::{Component, Path};
use std::time::Duration;

use globset::{Glob, GlobBuilder};
use nexus_wire::WatchName;
use nexus_wire::files::WatchSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tools::{Root, Roots};

const DESCRIPTION_CHARS_MAX: usize = 2000;
const PATTERN_BYTES_MAX: usize = 1024;
const SETTLE_S_MAX: u32 = 60 * 60;
const ENTRIES: (u32, u32) = (1, 100_000);

/// A folder whose changes are reported to the broker, where triggers wait for them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("required" = ["folder"]))]
#[serde(deny_unknown_fields, default)]
pub struct RawWatch {
    /// For whoever picks one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Needed. The folder, as `<root>/<path>`.
    pub folder: String,
    /// Which files below it count, such as `*.csv` or `**/*.{csv,xlsx}`: `*` stays within a folder, `**` does not. All of
    /// them unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether files and folders count whose name begins with a dot.
    pub hidden: bool,
    /// Seconds that a file has to stay as it is before it is reported.
    pub settle_s: u32,
    /// Files and folders that there may be. With more of them nothing is reported, and an alert says so.
    pub entries_max: u32,
}

impl Default for RawWatch {
    fn default() -> Self {
        Self {
            description: String::new(),
            folder: String::new(),
            pattern: None,
            hidden: false,
            settle_s: 2,
            entries_max: 10_000,
        }
    }
}

/// The same once nobody has to check it again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Watch {
    pub(crate) spec: WatchSpec,
    /// As `<root>/<path>`. Where that leads is looked up anew each time.
    pub(crate) folder: String,
    pub(crate) pattern: Option<Glob>,
    pub(crate) hidden: bool,
    pub(crate) settle: Duration,
    pub(crate) entries_max: usize,
}

impl Watch {
    pub(crate) fn name(&self) -> &WatchName {
        &self.spec.name
    }

    /// How many levels below the folder a file that counts can be; `None`: any number.
    pub(crate) fn depth(&self) -> Option<usize> {
        let pattern = self.pattern.as_ref().map(Glob::glob).filter(|pattern| !pattern.contains("**"))?;
        Some(pattern.matches('/').count() + 1)
    }
}

impl RawWatch {
    /// What it means, or every fault of it: the field below the watch and what is wrong with it.
    pub(super) fn resolve(self, name: &str, roots: &[Root]) -> Result<Watch, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: String| faults.push((field.to_owned(), message));
        // As a trigger names it.
        let named = name.parse::<WatchName>();
        if let Err(error) = &named {
            fault("", error.to_string());
        }
        if self.folder.is_empty() {
            let message = "missing; name the folder, for example \"folder\": \"work/inbox\"";
            fault("folder", message.to_owned());
        } else {
            match Roots::new(roots.to_vec()).resolve(&self.folder) {
                Ok(place) if place.is_folder() => {}
                Ok(_) => {
                    fault("folder", format!("{:?} is a file; name the folder that holds it", self.folder));
                }
                Err(error) => fault("folder", error.to_string()),
            }
        }
        let pattern = self.pattern.as_deref().map(glob).transpose().unwrap_or_else(|message| {
            fault("pattern", message);
            None
        });
        if self.settle_s > SETTLE_S_MAX {
            fault("settle_s", format!("{} is not from 0 to {SETTLE_S_MAX}", self.settle_s));
        }
        if !(ENTRIES.0..=ENTRIES.1).contains(&self.entries_max) {
            let (least, most) = ENTRIES;
            fault("entries_max", format!("{} is not from {least} to {most}", self.entries_max));
        }
        match named {
            Ok(name) if faults.is_empty() => {
                let description = self.description.chars().take(DESCRIPTION_CHARS_MAX).collect();
                Ok(Watch {
                    spec: WatchSpec { name, description },
                    folder: self.folder,
                    pattern,
                    hidden: self.hidden,
                    settle: Duration::from_secs(self.settle_s.into()),
                    entries_max: usize::try_from(self.entries_max).unwrap_or(usize::MAX),
                })
            }
            Ok(_) | Err(_) => Err(faults),
        }
    }
}

fn glob(pattern: &str) -> Result<Glob, String> {
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("it has {} bytes; from 1 to {PATTERN_BYTES_MAX}", pattern.len()));
    }
    let climbs = |part: Component<'_>| match part {
        Component::Normal(_) | Component::CurDir => false,
        Component::ParentDir | Component::RootDir | Component::Prefix(_) => true,
    };
    if Path::new(pattern).components().any(climbs) {
        return Err(format!("{pattern:?} leads out of the folder; write it from there, without `..`"));
    }
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .empty_alternates(true)
        .build()
        .map_err(|error| format!("{pattern:?} is no pattern: {}", error.kind()))
}

/// A watch as somebody writes it.
#[cfg(test)]
pub(crate) fn watch_of(
    name: &str,
    settings: &serde_json::Value,
    roots: &[Root],
) -> Result<Watch, Vec<(String, String)>> {
    let raw: RawWatch = serde_json::from_value(settings.clone()).expect("settings");
    raw.resolve(name, roots)
}
