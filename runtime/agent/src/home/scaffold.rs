//! Makes a home that works as it stands: `agent check` finds nothing, and the scripted provider answers.
//!
//! Never changes a folder that holds anything.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nexus_wire::AspectName;
use nexus_wire::name::HandName;
use nexus_wire::roster::AspectRole;
use serde_json::json;
use thiserror::Error;

use super::persona::{NEXUS_FILE, PRIMER_FILE, SOUL_FILE};
use super::raw::{RawHand, RawSettings};
use super::{SETTINGS_FILE, scripted};
use crate::provider::{CommandConfig, ProviderConfig, ProviderKind};
use crate::runner::{ArgKind, OutputForm, RawNotify, RawRunner, RawScript, RawWait};
use crate::tools::Tool;

/// What a new home shall be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewHome {
    pub name: AspectName,
    pub role: AspectRole,
    pub description: Option<String>,
    pub provider: ProviderKind,
    /// Needed by every kind but `scripted`; a usual one when not said.
    pub model: Option<String>,
    pub base_url: Option<String>,
    pub key_env: Option<String>,
    /// What stands in for it, each with its model or a usual one.
    pub failover: Vec<(ProviderKind, Option<String>)>,
    pub tools: Preset,
    pub hand: Option<HandName>,
    /// It thinks nothing and runs what its settings name: of the fields above only `name`, `role` and `description` count.
    pub runner: bool,
}

/// Tools by how much they may do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Preset {
    #[default]
    Read,
    Edit,
    Full,
}

/// Beyond reading files and talking to the team.
const WRITING: [&str; 2] = ["write_file", "edit_file"];

impl Preset {
    /// A person has to say so before programs are run or strangers asked.
    fn tools(self) -> Vec<String> {
        let is_in = |tool: &&Tool| match self {
            Self::Read => !tool.reaches_out() && !WRITING.contains(&tool.name()),
            Self::Edit => !tool.reaches_out(),
            Self::Full => true,
        };
        Tool::ALL.iter().filter(is_in).map(Tool::to_string).collect()
    }
}

#[derive(Debug, Error)]
pub enum ScaffoldError {
    #[error("{} is a home already; edit it, or choose another folder", .0.display())]
    Exists(PathBuf),
    #[error("{} is not empty; choose a folder that is not there yet, or an empty one", .0.display())]
    NotEmpty(PathBuf),
    #[error("{}: cannot be made: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the settings cannot be written: {0}")]
    Settings(#[from] serde_json::Error),
}

/// Makes the home and returns the files it wrote.
pub fn scaffold(dir: &Path, new: &NewHome) -> Result<Vec<PathBuf>, ScaffoldError> {
    let settings = dir.join(SETTINGS_FILE);
    if settings.exists() {
        return Err(ScaffoldError::Exists(dir.to_owned()));
    }
    if !is_empty(dir).map_err(|source| ScaffoldError::Io { path: dir.to_owned(), source })? {
        return Err(ScaffoldError::NotEmpty(dir.to_owned()));
    }
    let work = dir.join("work");
    fs::create_dir_all(&work).map_err(|source| ScaffoldError::Io { path: work.clone(), source })?;
    let files = if new.runner { files_of_runner(dir, new)? } else { files(dir, new)? };
    let mut written = Vec::with_capacity(files.len());
    for (path, text) in files {
        write_new(&path, &text).map_err(|source| ScaffoldError::Io { path: path.clone(), source })?;
        written.push(path);
    }
    Ok(written)
}

/// What is written and where; the settings last, because they are what makes a folder a home.
type Files = Vec<(PathBuf, String)>;

fn files(dir: &Path, new: &NewHome) -> Result<Files, ScaffoldError> {
    let name = new.name.as_str();
    let fill = |template: &str| template.replace("{name}", name);
    let mut script = fill(include_str!("scaffold/script.toml"));
    let mut nexus = fill(include_str!("scaffold/NEXUS.md"));
    if let Some(hand) = &new.hand {
        script.push_str(&include_str!("scaffold/hand.toml").replace("{hand}", hand.as_str()));
        nexus.push_str(&include_str!("scaffold/HAND.md").replace("{hand}", hand.as_str()));
    }
    Ok(vec![
        (dir.join(SOUL_FILE), fill(include_str!("scaffold/SOUL.md"))),
        (dir.join(NEXUS_FILE), nexus),
        (dir.join(PRIMER_FILE), fill(include_str!("scaffold/PRIMER.md"))),
        (dir.join(scripted::SCRIPT_FILE), script),
        (dir.join("work/README.md"), fill(include_str!("scaffold/work.md"))),
        (dir.join(".gitignore"), include_str!("scaffold/gitignore").to_owned()),
        (dir.join(SETTINGS_FILE), text_of(&raw_settings(new))?),
    ])
}

fn files_of_runner(dir: &Path, new: &NewHome) -> Result<Files, ScaffoldError> {
    let about = include_str!("scaffold/runner.md").replace("{name}", new.name.as_str());
    Ok(vec![
        (dir.join("work/README.md"), about),
        (dir.join("work/hello.sh"), include_str!("scaffold/runner.sh").to_owned()),
        (dir.join(".gitignore"), include_str!("scaffold/gitignore").to_owned()),
        (dir.join(SETTINGS_FILE), text_of(&settings_of_runner(new))?),
    ])
}

fn text_of(settings: &RawSettings) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(settings)? + "\n")
}

/// Three scripts, each of which shows something else, and the rest as it usually is.
fn settings_of_runner(new: &NewHome) -> RawSettings {
    let run = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let scripts = [
        (
            "hello",
            RawScript {
                description: "Gives back what it was given, and says for which dispatch.".to_owned(),
                run: run(&["sh", "hello.sh"]),
                output: OutputForm::Json,
                ..RawScript::default()
            },
        ),
        (
            "list-files",
            RawScript {
                description: "What is in a folder, named as work/<folder>.".to_owned(),
                run: run(&["ls", "-l", "--"]),
                args_max: 1,
                args: ArgKind::Path,
                repeatable: true,
                ..RawScript::default()
            },
        ),
        (
            "today",
            RawScript {
                description: "The date of the machine it runs on.".to_owned(),
                run: run(&["date", "+%F"]),
                repeatable: true,
                ..RawScript::default()
            },
        ),
    ];
    let scripts = scripts.map(|(name, script)| (name.to_owned(), script)).into();
    let description = new.description.clone();
    RawSettings {
        name: Some(new.name.clone()),
        role: new.role,
        description: description
            .unwrap_or_else(|| "Runs what its settings name; it has no model.".to_owned()),
        provider: ProviderConfig { kind: ProviderKind::None, ..ProviderConfig::default() },
        slots: 8,
        runner: Some(RawRunner {
            scripts,
            wait: Some(RawWait::default()),
            notify: Some(RawNotify::default()),
            ..RawRunner::default()
        }),
        ..RawSettings::default()
    }
}

fn raw_settings(new: &NewHome) -> RawSettings {
    let hand = new.hand.as_ref().map(|hand| RawHand {
        name: Some(hand.clone()),
        description: "Says where the files speak of a subject.".to_owned(),
        instructions: "You get a subject. Search the files for it and answer with one JSON object of the output \
                       schema and nothing around it: the best place, and the line that stands there."
            .to_owned(),
        tools: vec![Tool::SearchFiles.to_string(), Tool::ReadFile.to_string()],
        input_schema: Some(json!({
            "type": "object",
            "properties": {"subject": {"type": "string", "minLength": 1}},
            "required": ["subject"],
        })),
        output_schema: Some(json!({
            "type": "object",
            "properties": {"found": {"type": "boolean"}, "place": {"type": "string"}, "text": {"type": "string"}},
            "required": ["found"],
        })),
        idempotent: true,
        ..RawHand::default()
    });
    RawSettings {
        name: Some(new.name.clone()),
        role: new.role,
        description: new
            .description
            .clone()
            .unwrap_or_else(|| "Finds things in the files of its work folder.".to_owned()),
        provider: ProviderConfig {
            kind: new.provider,
            // Empty: which program it is, nobody can guess.
            command: (new.provider == ProviderKind::Command).then(CommandConfig::default),
            model: new.model.clone().or_else(|| new.provider.usual_model().map(str::to_owned)),
            base_url: new.base_url.clone(),
            api_key_env: new.key_env.clone(),
            ..ProviderConfig::default()
        },
        failover: new.failover.iter().map(|(kind, model)| stand_in(*kind, model.as_ref())).collect(),
        tools: new.tools.tools(),
        hands: hand.into_iter().collect(),
        ..RawSettings::default()
    }
}

fn stand_in(kind: ProviderKind, model: Option<&String>) -> ProviderConfig {
    ProviderConfig {
        kind,
        model: model.cloned().or_else(|| kind.usual_model().map(str::to_owned)),
        ..ProviderConfig::default()
    }
}

/// Whether there is nothing in it but what version control keeps there.
fn is_empty(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.all(|entry| entry.is_ok_and(|it| it.file_name() == ".git"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}
