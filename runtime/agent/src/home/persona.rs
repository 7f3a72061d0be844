//! Who an aspect is, in its own files: `SOUL.md`, `NEXUS.md`, `PRIMER.md`.

use std::fs;
use std::io;
use std::path::Path;

use super::fault::Fault;

pub const SOUL_FILE: &str = "SOUL.md";
pub const NEXUS_FILE: &str = "NEXUS.md";
pub const PRIMER_FILE: &str = "PRIMER.md";

/// The texts as they are on disk now. What is missing or blank is empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Persona {
    /// Voice and values.
    pub soul: String,
    /// Role and working rules.
    pub nexus: String,
    /// Context for a session that starts cold.
    pub primer: String,
}

impl Persona {
    /// To be called again before a turn: an edit counts from the next one.
    pub fn read(home: &Path) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut read = |name| {
            read_text(&home.join(name)).unwrap_or_else(|fault| {
                faults.push(fault);
                String::new()
            })
        };
        let persona = Self { soul: read(SOUL_FILE), nexus: read(NEXUS_FILE), primer: read(PRIMER_FILE) };
        if faults.is_empty() { Ok(persona) } else { Err(faults) }
    }

    /// The files that say something, in the order of [`Persona::text`]; the `source` of a system prompt.
    pub fn source(&self) -> String {
        self.parts().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }

    /// All of it as one system text.
    pub fn text(&self) -> String {
        self.parts().map(|(_, text)| text.trim()).collect::<Vec<_>>().join("\n\n")
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [(SOUL_FILE, &self.soul), (NEXUS_FILE, &self.nexus), (PRIMER_FILE, &self.primer)]
            .into_iter()
            .map(|(name, text)| (name, text.as_str()))
            .filter(|(_, text)| !text.trim().is_empty())
    }
}

fn read_text(path: &Path) -> Result<String, Fault> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(Fault::of_file(path, format!("cannot be read: {error}"))),
    };
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..good];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = "this is not UTF-8 from here on; save the file as UTF-8";
        Fault { at: Some((line, 1)), ..Fault::of_file(path, message) }
    })
}
