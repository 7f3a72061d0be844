//! `agent session …`: what a person does with the sessions of a home.
//!
//! Looking needs no lock. What changes a session needs the home to itself, so it is refused while the aspect runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::draw::{draw, short, show, summary};
use super::export::{Kind, export};
use super::{Context, Exit, Format, Outcome, Output, branches};
use crate::conversation::Block;
use crate::journal::hold_dir;
use crate::session::{Entry, Session, SessionKey, Tree, UserTurn};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the sessions of a home
    List {
        /// The aspect's home
        home: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Let a summary, written by the aspect's provider, stand for the beginning of a session
    Compact {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// What each of two branches has since they parted
    Diff {
        #[command(flatten)]
        which: Which,
        /// The last entry of one branch: an id, or the beginning or end of one
        one: String,
        /// The last entry of the other; the active branch when it is left out
        other: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what a summary stands for, as it was
    Expand {
        #[command(flatten)]
        which: Which,
        /// A summary's entry; the last of the active branch when none is named
        entry: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Write a branch as a document (the active one when no entry is named)
    Export {
        #[command(flatten)]
        which: Which,
        /// The last entry of the branch: an id, or the beginning or end of one
        entry: Option<String>,
        /// What kind of document
        #[arg(long, value_enum, default_value_t = Kind::Markdown)]
        format: Kind,
    },
    /// Put a summary of a branch that was left, written by the aspect's provider, on the active one
    SummariseBranch {
        #[command(flatten)]
        which: Which,
        /// The last entry of that branch: an id, or the beginning or end of one
        entry: String,
        #[command(flatten)]
        output: Output,
    },
    /// Draw a session's tree, its head marked
    Tree {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Show one entry, or a branch from its beginning (the active one when no entry is named)
    Show {
        #[command(flatten)]
        which: Which,
        /// An entry's id, or the beginning or end of one
        entry: Option<String>,
        /// Everything that led to the entry
        #[arg(long)]
        branch: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Go back: the next message follows this entry. What came after stays, as a branch
    Rewind {
        #[command(flatten)]
        which: Which,
        /// An entry's id, the beginning or end of one, or `start`
        entry: String,
        #[command(flatten)]
        output: Output,
    },
    /// Make a new session of the branch that ends at this entry (at the head when none is named)
    Fork {
        #[command(flatten)]
        which: Which,
        /// An entry's id, the beginning or end of one, or `start`
        entry: Option<String>,
        /// The next message of the new session
        #[arg(long)]
        say: Option<String>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args, Debug)]
pub(super) struct Which {
    /// The aspect's home
    pub(super) home: PathBuf,
    /// `global`, or the id of a thread or fork, or the beginning or end of one
    #[arg(short, long)]
    session: Option<String>,
}

pub(super) fn run(context: &mut Context<'_>, command: Command) -> Outcome {
    match command {
        Command::List { home, output } => list(context, &home, output.output)?,
        Command::Tree { which, output } => tree(context, &which, output.output)?,
        Command::Show { which, entry, branch, output } => {
            let tree = which.load()?;
            let entries = match entry {
                None => tree.branch(tree.head()),
                Some(entry) => {
                    let id = find_entry(&tree, &entry)?;
                    if branch { tree.branch(Some(id)) } else { tree.entry(id).into_iter().collect() }
                }
            };
            show_entries(context, &entries, output.output)?;
        }
        Command::Compact { which, output } => branches::compact(context, &which, output.output)?,
        Command::Diff { which, one, other, output } => {
            branches::diff(context, &which, &one, other.as_deref(), output.output)?;
        }
        Command::Expand { which, entry, output } => {
            branches::expand(context, &which, entry.as_deref(), output.output)?;
        }
        Command::Export { which, entry, format } => {
            let key = which.to_look_at()?;
            let tree = which.load()?;
            let leaf = match entry {
                Some(entry) => Some(find_entry(&tree, &entry)?),
                None => tree.head(),
            };
            let title = format!("session {key}");
            export(&title, &tree.branch(leaf), format, context.out)?;
        }
        Command::SummariseBranch { which, entry, output } => {
            branches::summarise_branch(context, &which, &entry, output.output)?;
        }
        Command::Rewind { which, entry, output } => rewind(context, &which, &entry, output.output)?,
        Command::Fork { which, entry, say, output } => {
            fork(context, &which, entry.as_deref(), say, output.output)?;
        }
    }
    Ok(Exit::Done)
}

pub(super) type Said<T> = Result<T, Box<dyn std::error::Error>>;

fn list(context: &mut Context<'_>, home: &Path, format: Format) -> Said<()> {
    if !home.is_dir() {
        return Err(format!("{}: there is no such folder", home.display()).into());
    }
    let mut listed = Vec::new();
    for key in SessionKey::list(home)? {
        let path = key.path(home);
        match Tree::load(&path) {
            Ok(tree) => listed.push((key, tree.len(), tree.entries().last().map(|entry| entry.ts), None)),
            Err(error) => listed.push((key, 0, None, Some(error.to_string()))),
        }
    }
    if format == Format::Json {
        let sessions: Vec<Value> = listed
            .iter()
            .map(|(key, entries, last, error)| {
                let path = key.path(home);
                json!({"session": key.to_string(), "path": path, "entries": entries, "last": last, "error": error})
            })
            .collect();
        writeln!(context.out, "{:#}", Value::Array(sessions))?;
        return Ok(());
    }
    if listed.is_empty() {
        writeln!(context.out, "{} has no sessions yet", home.display())?;
    }
    for (key, entries, last, error) in listed {
        let kind = kind_of(key);
        let last = last.map(|last| last.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default();
        match error {
            None => writeln!(context.out, "{key:36}  {kind:6}  {entries:>6} entries  {last}")?,
            Some(error) => writeln!(context.out, "{key:36}  {kind:6}  {error}")?,
        }
    }
    Ok(())
}

fn kind_of(key: SessionKey) -> &'static str {
    match key {
        SessionKey::Global => "",
        SessionKey::Thread(_) => "thread",
        SessionKey::Fork(_) => "fork",
    }
}

fn tree(context: &mut Context<'_>, which: &Which, format: Format) -> Said<()> {
    let key = which.to_look_at()?;
    let path = key.path(&which.home);
    let tree = Tree::load(&path)?;
    if format == Format::Json {
        let active: Vec<Uuid> = tree.branch(tree.head()).iter().map(|entry| entry.id).collect();
        let entries: Vec<Value> = tree
            .entries()
            .map(|entry| {
                json!({
                    "id": entry.id, "parentId": tree.parent(entry.id).map(|parent| parent.id),
                    "kind": entry.payload.kind(), "ts": entry.ts, "active": active.contains(&entry.id),
                    "summary": summary(&entry.payload),
                })
            })
            .collect();
        let problems: Vec<String> = tree.problems().iter().map(ToString::to_string).collect();
        let told = json!({
            "session": key.to_string(), "path": path, "head": tree.head(), "entries": entries, "problems": problems,
        });
        writeln!(context.out, "{told:#}")?;
        return Ok(());
    }
    let others = SessionKey::list(&which.home)?.len().saturating_sub(1);
    writeln!(context.out, "{}", path.display())?;
    if which.session.is_none() && others > 0 {
        writeln!(
            context.out,
            "the latest session; there are {others} more: agent session list {}",
            which.home.display()
        )?;
    }
    for problem in tree.problems() {
        writeln!(context.out, "! {problem}")?;
    }
    draw(&tree, context.out)?;
    Ok(())
}

pub(super) fn show_entries(context: &mut Context<'_>, entries: &[&Entry], format: Format) -> Said<()> {
    match format {
        Format::Text => entries.iter().try_for_each(|entry| show(entry, context.out))?,
        Format::Json => {
            let entries = entries.iter().map(|entry| entry.encode()).collect::<Result<Vec<_>, _>>()?;
            writeln!(context.out, "[{}]", entries.join(",\n"))?;
        }
    }
    Ok(())
}

fn rewind(context: &mut Context<'_>, which: &Which, entry: &str, format: Format) -> Said<()> {
    let (mut session, _held) = which.to_change(context)?;
    let to = find_place(session.tree(), entry)?;
    session.rewind(to, context.now)?;
    match format {
        Format::Json => writeln!(context.out, "{:#}", json!({"head": to, "path": session.path()}))?,
        Format::Text => match to.and_then(|id| session.tree().entry(id)) {
            Some(entry) => {
                let (kind, about) = (entry.payload.kind(), summary(&entry.payload));
                writeln!(context.out, "the next message follows {} {kind}  {about}", short(entry.id))?;
            }
            None => writeln!(context.out, "the next message begins anew")?,
        },
    }
    Ok(())
}

fn fork(
    context: &mut Context<'_>,
    which: &Which,
    entry: Option<&str>,
    say: Option<String>,
    format: Format,
) -> Said<()> {
    let (mut session, _held) = which.to_change(context)?;
    let at = match entry {
        Some(entry) => find_place(session.tree(), entry)?,
        None => session.tree().head(),
    };
    let say = say.map(|text| UserTurn { content: vec![Block::Text { text }], item: None });
    let forked = session.fork(&which.home, at, say, context.now)?;
    match format {
        Format::Json => {
            let told = json!({"session": forked.key.to_string(), "path": forked.path, "head": forked.head});
            writeln!(context.out, "{told:#}")?;
        }
        Format::Text => {
            writeln!(context.out, "session {} in {}", forked.key, forked.path.display())?;
        }
    }
    Ok(())
}

impl Which {
    /// The session that was named, or the one that was written last.
    fn to_look_at(&self) -> Said<SessionKey> {
        if self.session.is_some() {
            return self.named();
        }
        let keys = SessionKey::list(&self.home)?;
        let changed = |key: &SessionKey| {
            let metadata = fs::metadata(key.path(&self.home));
            metadata.and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        keys.into_iter().max_by_key(changed).ok_or_else(|| self.none())
    }

    /// The session that was named; the only one needs no name.
    fn named(&self) -> Said<SessionKey> {
        let keys = SessionKey::list(&self.home)?;
        let Some(wanted) = &self.session else {
            return match keys.as_slice() {
                [] => Err(self.none()),
                [only] => Ok(*only),
                [_, _, ..] => {
                    let home = self.home.display();
                    Err(format!(
                        "{home} has several sessions; name one with --session (agent session list {home})"
                    )
                    .into())
                }
            };
        };
        one_of(wanted, "session", keys.into_iter().map(|key| (key.to_string(), key)))
    }

    fn none(&self) -> Box<dyn std::error::Error> {
        if self.home.is_dir() {
            format!("{} has no sessions yet", self.home.display()).into()
        } else {
            format!("{}: there is no such folder", self.home.display()).into()
        }
    }

    pub(super) fn load(&self) -> Said<Tree> {
        Ok(Tree::load(&self.to_look_at()?.path(&self.home))?)
    }

    /// Opens the session for writing, with the home held.
    pub(super) fn to_change(&self, context: &Context<'_>) -> Said<(Session, crate::journal::Held)> {
        let held = hold_dir(&self.home)?;
        let key = self.named()?;
        let mut session = Session::open_existing(&self.home, key, context.durability, context.now)?;
        session.whole()?;
        Ok((session, held))
    }
}

fn find_place(tree: &Tree, text: &str) -> Said<Option<Uuid>> {
    if text == "start" { Ok(None) } else { find_entry(tree, text).map(Some) }
}

pub(super) fn find_entry(tree: &Tree, text: &str) -> Said<Uuid> {
    one_of(text, "entry", tree.entries().map(|entry| (entry.id.to_string(), entry.id)))
}

/// The one whose name is, begins with or ends with `text`.
fn one_of<T>(text: &str, what: &str, all: impl Iterator<Item = (String, T)>) -> Said<T> {
    let text = text.to_lowercase();
    let mut found = Vec::new();
    for (name, value) in all {
        if name == text {
            return Ok(value);
        }
        if name.starts_with(&text) || name.ends_with(&text) {
            found.push(value);
        }
    }
    match (found.pop(), found.len()) {
        (Some(only), 0) if !text.is_empty() => Ok(only),
        (None, _) => Err(format!("there is no {what} {text}").into()),
        (Some(_), more) => Err(format!("{text} fits {} {what} ids; write more of it", more + 1).into()),
    }
}
