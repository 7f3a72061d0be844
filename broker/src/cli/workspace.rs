//! `nexus workspace`: the files a team is made of, and what is in effect of them. Needs no broker.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use nexus_workspace::{Contribution, Fault, Kind, Layer, Origin, Overlay};
use serde_json::json;

use super::CliError;
use super::print::{say, table};
use crate::workspace::Record;

const HASH_SHOWN: usize = 12;

#[derive(Debug, Subcommand)]
pub(super) enum Workspace {
    /// Make a workspace, in a folder that is not there or is empty
    Init {
        /// What it begins with
        #[arg(value_enum, default_value_t = Begin::Fresh)]
        kind: Begin,
        #[command(flatten)]
        place: Place,
    },
    /// Say of each file in effect where it comes from, and what the broker of the data directory has loaded
    Status {
        #[command(flatten)]
        place: Place,
        /// How to print
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
    /// Show what is another than what is shipped
    Diff {
        #[command(flatten)]
        place: Place,
    },
    /// Say what is wrong, with file, line and column; ends with 1 when something is
    Validate {
        #[command(flatten)]
        place: Place,
        /// How to print
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
    /// Write what is another than what is shipped into a patch for Nexus itself, without what is secret, or about one
    /// person or machine; says what is left out
    Contribute {
        /// The file to write
        to: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Write what is in effect into a folder, for `nexus serve --spawn`; files that are the same stay untouched, and no file
    /// is removed
    Export {
        /// The folder to write into
        to: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args, Debug)]
pub(super) struct Place {
    /// The workspace's folder [default: $NEXUS_WORKSPACE, or ./workspace]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Begin {
    /// A page that says what goes where
    Fresh,
    /// A small agency: a runner with a script, a flow, a skill
    Demo,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WorkspaceError {
    #[error(transparent)]
    Init(#[from] nexus_workspace::InitError),
    #[error("there is no workspace in {}; make one with: nexus workspace init --workspace {}", .0.display(), .0.display())]
    Missing(PathBuf),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} {}", .0, if *.0 == 1 { "fault" } else { "faults" })]
    Faults(usize),
    #[error("what is in effect has faults, so nothing was written; see: nexus workspace validate")]
    NotExported,
}

impl Place {
    fn folder(&self) -> PathBuf {
        let named = self.workspace.clone().or_else(|| std::env::var_os("NEXUS_WORKSPACE").map(PathBuf::from));
        named.unwrap_or_else(|| PathBuf::from("workspace"))
    }

    /// The workspace's own files, and what they and the shipped ones come to.
    fn read(&self) -> Result<Read, WorkspaceError> {
        let folder = self.folder();
        if !folder.is_dir() {
            return Err(WorkspaceError::Missing(folder));
        }
        let (own, unread) = nexus_workspace::read(&folder).map_err(failed(&folder))?;
        let framework = nexus_workspace::framework();
        let mut overlay = Overlay::of(&framework, &own);
        overlay.faults.extend(unread);
        Ok(Read { folder, framework, own, overlay })
    }
}

struct Read {
    folder: PathBuf,
    framework: Layer,
    own: Layer,
    overlay: Overlay,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> WorkspaceError {
    let path = path.to_owned();
    move |source| WorkspaceError::Io { path, source }
}

pub(super) fn run(workspace: &Workspace, data: &Path) -> Result<(), CliError> {
    match workspace {
        Workspace::Init { kind, place } => init(*kind, &place.folder())?,
        Workspace::Status { place, output } => status(&place.read()?, data, *output),
        Workspace::Diff { place } => {
            let read = place.read()?;
            say(format_args!("{}", nexus_workspace::diff(&read.framework, &read.overlay).trim_end()));
        }
        Workspace::Validate { place, output } => validate(&place.read()?, *output)?,
        Workspace::Contribute { to, place } => contribute(&place.read()?, to)?,
        Workspace::Export { to, place } => export(&place.read()?, to)?,
    }
    Ok(())
}

fn init(kind: Begin, folder: &Path) -> Result<(), WorkspaceError> {
    let kind = match kind {
        Begin::Fresh => Kind::Fresh,
        Begin::Demo => Kind::Demo,
    };
    for path in nexus_workspace::init(folder, kind)? {
        say(format_args!("wrote {}", path.display()));
    }
    let shown = folder.display();
    say(format_args!("\nWhat comes next:\n\n  nexus workspace status --workspace {shown}"));
    say(format_args!("  nexus workspace validate --workspace {shown}"));
    say(format_args!("  nexus serve --workspace {shown}"));
    Ok(())
}

fn status(read: &Read, data: &Path, output: Format) {
    let loaded = Record::of_data(data, &read.folder);
    let Overlay { files, hidden, .. } = &read.overlay;
    if output == Format::Json {
        let files: Vec<_> = files
            .iter()
            .map(|(path, file)| json!({"path": path, "origin": file.origin, "by": file.by, "sha256": file.sha256()}))
            .collect();
        say(format_args!(
            "{:#}",
            json!({"workspace": read.folder, "files": files, "hidden": hidden, "loaded": loaded})
        ));
        return;
    }
    let mut rows: Vec<Vec<String>> = files
        .iter()
        .map(|(path, file)| {
            let by = file.by.clone().filter(|by| by != path).unwrap_or_default();
            let hash = file.sha256().chars().take(HASH_SHOWN).collect();
            vec![path.clone(), file.origin.as_str().to_owned(), hash, by]
        })
        .collect();
    rows.extend(
        hidden.iter().map(|(path, by)| vec![path.clone(), "hidden".to_owned(), String::new(), by.clone()]),
    );
    rows.sort();
    table(&["file", "from", "sha256", "by"], &rows);
    let mut counts: BTreeMap<Origin, usize> = BTreeMap::new();
    for file in files.values() {
        *counts.entry(file.origin).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(origin, count)| format!("{count} {}", origin.as_str())).collect();
    say(format_args!("\n{}, {} hidden", counts.join(", "), hidden.len()));
    if let Some(loaded) = loaded {
        of_broker(&loaded, data);
    }
}

/// What the broker has of it.
fn of_broker(loaded: &Record, data: &Path) {
    say(format_args!("\nThe broker of {} keeps it:\n", data.display()));
    let rows: Vec<Vec<String>> = loaded
        .items
        .iter()
        .map(|(key, known)| vec![key.clone(), known.state.as_str().to_owned(), known.file.clone()])
        .collect();
    table(&["what", "state", "file"], &rows);
    for message in loaded.faults.values() {
        say(format_args!("\n{message}"));
    }
}

fn faults(read: &Read) -> Vec<Fault> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    nexus_workspace::validate(&read.own, &read.overlay, is_set)
}

fn validate(read: &Read, output: Format) -> Result<(), WorkspaceError> {
    let faults = faults(read);
    if output == Format::Json {
        say(format_args!("{:#}", json!({"ok": faults.is_empty(), "faults": faults})));
    } else if faults.is_empty() {
        say(format_args!("{} is in order: {} files", read.folder.display(), read.overlay.files.len()));
    }
    for fault in faults.iter().filter(|_| output == Format::Text) {
        // As a path from here, so that editors and terminals find it.
        let here = if fault.file.starts_with("framework:") {
            String::new()
        } else {
            format!("{}/", read.folder.display())
        };
        say(format_args!("{here}{fault}"));
    }
    if faults.is_empty() { Ok(()) } else { Err(WorkspaceError::Faults(faults.len())) }
}

fn contribute(read: &Read, to: &Path) -> Result<(), WorkspaceError> {
    if !read.overlay.faults.is_empty() {
        return Err(WorkspaceError::NotExported);
    }
    let Contribution { patch, files, left_out } =
        nexus_workspace::contribute(&read.framework, &read.overlay, &names_of_here());
    if patch.is_empty() {
        say(format_args!("there is nothing to give, and nothing was written"));
    } else {
        let mut new = OpenOptions::new().write(true).create_new(true).open(to).map_err(failed(to))?;
        new.write_all(patch.as_bytes()).map_err(failed(to))?;
        say(format_args!("wrote {}, which is about:", to.display()));
        files.iter().for_each(|path| say(format_args!("  {path}")));
    }
    if !left_out.is_empty() {
        say(format_args!("\nleft out:"));
        left_out.iter().for_each(|(path, why)| say(format_args!("  {path}: {why}")));
    }
    if !patch.is_empty() {
        say(format_args!(
            "\nRead it before you give it away. In a checkout of Nexus:\n\n  git apply --directory shared/workspace/framework {}",
            to.display()
        ));
    }
    Ok(())
}

/// Of this machine, and of who uses it.
fn names_of_here() -> Vec<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let short = host.split('.').next().unwrap_or(host);
    let home = std::env::home_dir();
    let user = home.as_ref().and_then(|home| home.file_name()).unwrap_or_default().to_string_lossy();
    let user = std::env::var("USER").unwrap_or_else(|_| user.into_owned());
    let mut names = vec![host.to_owned(), short.to_owned(), user];
    names.extend(home.map(|home| home.display().to_string()).filter(|home| home.len() > 1));
    names.dedup();
    names
}

fn export(read: &Read, to: &Path) -> Result<(), WorkspaceError> {
    if !read.overlay.faults.is_empty() {
        return Err(WorkspaceError::NotExported);
    }
    let (mut written, mut same) = (0, 0);
    for (path, file) in &read.overlay.files {
        let path = to.join(path);
        if fs::read(&path).is_ok_and(|bytes| bytes == file.bytes) {
            same += 1;
            continue;
        }
        let parent = path.parent().unwrap_or(to);
        fs::create_dir_all(parent).map_err(failed(parent))?;
        fs::write(&path, &file.bytes).map_err(failed(&path))?;
        written += 1;
    }
    say(format_args!("wrote {written} files into {}, {same} were there already", to.display()));
    Ok(())
}
