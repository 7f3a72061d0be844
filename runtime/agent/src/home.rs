//! An aspect's home: its settings, persona and where its files are. Everything it needs is in there.
//!
//! Reading a home changes nothing in it. All its faults are found together, each with file, line and column.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nexus_client::KeyFile;

use crate::journal::{Held, JournalError, hold_dir};
use crate::provider::scripted::{self, ScriptError};
use crate::provider::{ProviderKind, Scripted};

mod fault;
mod persona;
mod raw;
mod roots;
mod scaffold;
mod settings;
mod source;
mod unknown;

pub use fault::{Fault, Faults};
pub use persona::{NEXUS_FILE, PRIMER_FILE, Persona, SOUL_FILE};
pub use raw::{Allowance, Amount, Budgets, Isolation, RawHand, RawSettings, Recall, settings_schema};
pub use roots::{Detailed, RawRoot};
pub use scaffold::{NewHome, Preset, ScaffoldError, scaffold};
pub use settings::{Hand, Judging, Settings, Side, Triage};

use settings::Judge;
use source::Source;

pub const SETTINGS_FILE: &str = "aspect.json";

#[derive(Clone, Debug, PartialEq)]
pub struct Home {
    /// Absolute, symlinks resolved.
    pub dir: PathBuf,
    pub settings: Settings,
    pub persona: Persona,
}

impl Home {
    /// Reads a home. `env` looks a variable up.
    pub fn load(dir: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let real = resolve(dir).map_err(|fault| Faults(vec![fault]))?;
        let mut faults = Vec::new();
        // Files are named as the person who asked names them.
        let settings = read_settings(&real, &dir.join(SETTINGS_FILE), env, &mut faults);
        let persona = Persona::read(dir).unwrap_or_else(|found| {
            faults.extend(found);
            Persona::default()
        });
        let told = |name: &str| faults.iter().any(|fault| fault.file.ends_with(name));
        let mut missing = Vec::new();
        let speaks = settings.as_ref().is_none_or(|settings| settings.provider.kind != ProviderKind::None);
        if speaks && persona.soul.is_empty() && !told(SOUL_FILE) {
            let message = "missing or empty; write who this aspect is, in a few sentences";
            missing.push(Fault::of_file(dir.join(SOUL_FILE), message));
        }
        let offers_hands =
            settings.as_ref().is_some_and(|settings| settings.hands.iter().any(|hand| hand.act.is_none()));
        if offers_hands && persona.nexus.is_empty() && !told(NEXUS_FILE) {
            let message = "missing or empty; an aspect with Hands needs its working rules";
            missing.push(Fault::of_file(dir.join(NEXUS_FILE), message));
        }
        faults.extend(missing);
        match settings {
            Some(settings) if faults.is_empty() => Ok(Self { dir: real, settings, persona }),
            Some(_) | None => {
                faults.sort();
                Err(Faults(faults))
            }
        }
    }

    pub fn keyfile_path(&self) -> PathBuf {
        KeyFile::path_in(&self.dir)
    }

    pub fn script_path(&self) -> PathBuf {
        self.dir.join(scripted::SCRIPT_FILE)
    }

    /// Makes this process the one that works in the home, until the value is dropped.
    pub fn hold(&self) -> Result<Held, JournalError> {
        hold_dir(&self.dir)
    }
}

/// Everything that would keep an aspect from working, script and keyfile included, and who it is when that much
/// is certain. An empty list is a home that runs.
pub fn check(dir: &Path, env: impl Fn(&str) -> Option<String>) -> (Option<Home>, Vec<Fault>) {
    let (home, mut faults) = match Home::load(dir, &env) {
        Ok(home) => (Some(home), Vec::new()),
        Err(Faults(faults)) => (None, faults),
    };
    let scripted = home.as_ref().is_none_or(|home| home.settings.provider.kind == ProviderKind::Scripted);
    if scripted && let Err(error) = Scripted::open(dir) {
        faults.push(match error {
            ScriptError::Fault { path, fault } => {
                Fault { at: Some((fault.at.line, fault.at.column)), ..Fault::of_file(path, fault.message) }
            }
            ScriptError::Read { path, source } => Fault::of_file(path, format!("cannot be read: {source}")),
        });
    }
    if let Some(home) = &home {
        faults.extend(
            home.settings
                .programs_missing(&env)
                .into_iter()
                .map(|(field, message)| Fault { field, ..Fault::of_file(dir.join(SETTINGS_FILE), message) }),
        );
    }
    let path = KeyFile::path_in(dir);
    match KeyFile::load(&path) {
        Ok(key) => {
            if let Some(home) = home.as_ref().filter(|home| home.settings.name != key.name) {
                let message = format!(
                    "it is the key of {}, and {SETTINGS_FILE} names {}; make them the same",
                    key.name, home.settings.name
                );
                faults.push(Fault::of_file(path, message));
            }
        }
        // A home that has not been let in yet is in order.
        Err(_) if !path.exists() => {}
        Err(error) => faults.push(Fault::of_file(path, error.kind.to_string())),
    }
    (home, faults)
}

fn resolve(dir: &Path) -> Result<PathBuf, Fault> {
    match fs::canonicalize(dir) {
        Ok(real) if real.is_dir() => Ok(real),
        Ok(_) => Err(Fault::of_file(dir, "this is a file; name the folder of an aspect")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::of_file(
            dir,
            format!("there is no such folder; make a home with: agent new {}", dir.display()),
        )),
        Err(error) => Err(Fault::of_file(dir, format!("cannot be read: {error}"))),
    }
}

fn read_settings(
    home: &Path,
    file: &Path,
    env: impl Fn(&str) -> Option<String>,
    faults: &mut Vec<Fault>,
) -> Option<Settings> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = "missing; a home is made with: agent new <home>";
            faults.push(Fault::of_file(file, message));
            return None;
        }
        Err(error) => {
            faults.push(Fault::of_file(file, format!("cannot be read: {error}")));
            return None;
        }
    };
    let (source, mut value) = match Source::parse(file.to_owned(), text) {
        Ok(parsed) => parsed,
        Err(fault) => {
            faults.push(fault);
            return None;
        }
    };
    faults.extend(source.duplicates());
    if !unknown::remove_unknown(&source, settings_schema().as_value(), &mut value, faults) {
        return None;
    }
    let raw: RawSettings = source.read(value, faults);
    Judge { source: &source, home, env, faults, servers: Vec::new() }.settings(raw)
}

#[cfg(test)]
mod tests;
