//! What a workspace has come to, for whoever asks: each file, where it comes from, and what is wrong with it; its skills; and
//! how the home page is laid out.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nexus_wire::hands::Dispatch;
use nexus_wire::home::{Home, HomeLayout};
use nexus_wire::limits::ALERT_MESSAGE_BYTES_MAX;
use nexus_wire::name::SELF_HAND;
use nexus_wire::workspace::{Skill, Skills, WorkspaceFile, WorkspaceFiles, WorkspaceOrigin};
use nexus_wire::{ErrorBody, ErrorCode, HandTarget, Ms};
use nexus_workspace::{HOME_FILE, Origin, Overlay};
use serde_json::{Map, Value};

/// By path.
pub(super) type Files = BTreeMap<String, WorkspaceFile>;

#[derive(Debug)]
pub(crate) struct Board {
    /// Nothing where the broker keeps no workspace.
    files: Mutex<Option<Arc<Shown>>>,
    skills: Mutex<Taught>,
    home: Mutex<Arc<LaidOut>>,
}

#[derive(Debug)]
enum Taught {
    /// There is no workspace.
    Nothing,
    /// There is one, which nobody has read yet.
    NotYet,
    Skills(Arc<nexus_workspace::Skills>),
}

#[derive(Debug)]
struct LaidOut {
    layout: HomeLayout,
    /// Absent: as it is shipped.
    file: Option<String>,
}

#[derive(Debug)]
struct Shown {
    folder: String,
    read_at: Ms,
    faults: u64,
    files: Files,
}

impl Board {
    /// Of a broker that keeps a workspace, or of one that keeps none.
    pub(crate) fn new(is_kept: bool) -> Self {
        let home = LaidOut { layout: nexus_workspace::shipped_home(), file: None };
        let skills = if is_kept { Taught::NotYet } else { Taught::Nothing };
        Self { files: Mutex::default(), skills: Mutex::new(skills), home: Mutex::new(Arc::new(home)) }
    }

    /// `faults` by file.
    pub(super) fn show(&self, folder: &Path, read_at: Ms, files: &Files, faults: &BTreeMap<String, String>) {
        let mut files = files.clone();
        for (path, fault) in faults {
            let file = files.entry(path.clone()).or_insert_with(|| nothing(path));
            file.fault = Some(without_place(path, fault).to_owned());
        }
        let folder = folder.display().to_string();
        let shown = Shown { folder, read_at, faults: faults.len() as u64, files };
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(shown));
    }

    pub(super) fn lay_out(&self, layout: HomeLayout, file: Option<String>) {
        let home = Arc::new(LaidOut { layout, file });
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = home;
    }

    /// The home page as it is laid out, and what is wrong with the file that would have it otherwise.
    pub(crate) fn home(&self) -> Home {
        let home = Arc::clone(&self.home.lock().unwrap_or_else(PoisonError::into_inner));
        let shown = self.shown();
        let fault = shown.and_then(|shown| shown.files.get(HOME_FILE)?.fault.clone());
        Home { widgets: home.layout.widgets.clone(), file: home.file.clone(), fault }
    }

    /// What there is from now on.
    pub(crate) fn teach(&self, skills: nexus_workspace::Skills) {
        *self.skills.lock().unwrap_or_else(PoisonError::into_inner) = Taught::Skills(Arc::new(skills));
    }

    /// So many skills behind the one named, without what they say.
    pub(crate) fn skills(&self, after: Option<&str>, limit: usize) -> Skills {
        let Ok(known) = self.taught() else { return Skills::default() };
        let mut rest = known.after(after).map(|skill| skill.said());
        let heads = rest.by_ref().take(limit);
        let skills: Vec<Skill> = heads.map(|it| Skill { instructions: None, ..it.clone() }).collect();
        let is_end = rest.next().is_none();
        let next_cursor = skills.last().filter(|_| !is_end).map(|last| last.name.clone());
        Skills { skills, next_cursor }
    }

    pub(crate) fn skill(&self, name: &str) -> Result<nexus_workspace::Skill, ErrorBody> {
        let found = self.taught()?.get(name).cloned();
        found.map_err(|why| ErrorBody::new(ErrorCode::NotFound, why))
    }

    fn taught(&self) -> Result<Arc<nexus_workspace::Skills>, ErrorBody> {
        match &*self.skills.lock().unwrap_or_else(PoisonError::into_inner) {
            Taught::Skills(skills) => Ok(Arc::clone(skills)),
            Taught::Nothing => {
                let none =
                    "this broker keeps no workspace, so there are no skills; start it with --workspace";
                Err(ErrorBody::new(ErrorCode::NotFound, none))
            }
            Taught::NotYet => {
                let wait = "the broker has just been started and reads its workspace; try again in a moment";
                Err(ErrorBody::new(ErrorCode::StorageUnavailable, wait))
            }
        }
    }

    /// The input of work that names a skill, with what that says; `None`: it names none.
    pub(crate) fn filled(&self, dispatch: &Dispatch) -> Option<Result<Value, ErrorBody>> {
        let name = dispatch.skill.as_ref()?;
        Some(self.fill(name, dispatch))
    }

    fn fill(&self, name: &str, dispatch: &Dispatch) -> Result<Value, ErrorBody> {
        let invalid = |why: String| ErrorBody::new(ErrorCode::Invalid, why);
        let is_for_self = match &dispatch.hand {
            Some(HandTarget::Own) => true,
            Some(HandTarget::Hand(hand)) => hand.hand.is_own(),
            None => false,
        };
        if !is_for_self {
            let message = format!(
                "`skill` is for an aspect's Hand `{SELF_HAND}`: name one in `hand`, as in wren/{SELF_HAND}"
            );
            return Err(invalid(message));
        }
        let mut input = match &dispatch.input {
            Value::Null => Map::new(),
            Value::Object(input) => input.clone(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(invalid("the input of a skill is an object, of what it is about".to_owned()));
            }
        };
        self.skill(name)?.fill(&mut input).map_err(invalid)?;
        Ok(Value::Object(input))
    }

    fn shown(&self) -> Option<Arc<Shown>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// So many files behind the one named.
    pub(crate) fn page(&self, after: Option<&str>, limit: usize) -> WorkspaceFiles {
        let Some(shown) = self.shown() else { return WorkspaceFiles::default() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = shown.files.range::<str, _>((from, Bound::Unbounded)).map(|(_, file)| file);
        let files: Vec<WorkspaceFile> = rest.by_ref().take(limit).cloned().collect();
        let is_end = rest.next().is_none();
        let next_cursor = files.last().filter(|_| !is_end).map(|last| last.path.clone());
        WorkspaceFiles {
            folder: Some(shown.folder.clone()),
            read_at: Some(shown.read_at),
            faults: shown.faults,
            files,
            next_cursor,
        }
    }
}

pub(super) fn files_of(overlay: &Overlay) -> Files {
    let hidden = overlay.hidden.iter().map(|(path, by)| {
        let by = Some(by.clone());
        (path.clone(), WorkspaceFile { origin: Some(WorkspaceOrigin::Hidden), by, ..nothing(path) })
    });
    let effective = overlay.files.iter().map(|(path, file)| {
        let origin = match file.origin {
            Origin::Framework => WorkspaceOrigin::Framework,
            Origin::Workspace => WorkspaceOrigin::Workspace,
            Origin::Replaced => WorkspaceOrigin::Replaced,
            Origin::Patched => WorkspaceOrigin::Patched,
        };
        let file = WorkspaceFile {
            origin: Some(origin),
            by: file.by.clone().filter(|by| by != path),
            bytes: Some(file.bytes.len() as u64),
            sha256: Some(file.sha256()),
            ..nothing(path)
        };
        (path.clone(), file)
    });
    // A file of the workspace may stand where one was hidden.
    hidden.chain(effective).collect()
}

fn nothing(path: &str) -> WorkspaceFile {
    WorkspaceFile { path: path.to_owned(), origin: None, by: None, bytes: None, sha256: None, fault: None }
}

/// The file is named beside it, and what an alert says to do is said by the page.
fn without_place<'a>(path: &str, fault: &'a str) -> &'a str {
    let fault = fault.strip_suffix(super::HOW).map_or(fault, |rest| rest.trim_end_matches("; "));
    let fault =
        fault.strip_prefix(path).and_then(|rest| rest.strip_prefix(':')).unwrap_or(fault).trim_start();
    &fault[..fault.floor_char_boundary(ALERT_MESSAGE_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> nexus_workspace::Layer {
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn shown() -> Board {
        let framework =
            layer(&[("a.md", "shipped"), ("b.json", "{\"x\": 1}"), ("c.md", "shipped"), ("d.md", "d")]);
        let own = layer(&[("a.md", "mine"), ("b.patch.toml", "x = 2"), ("c.md.remove", ""), ("e.md", "new")]);
        let overlay = Overlay::of(&framework, &own);
        let faults = [
            ("e.md".to_owned(), format!("e.md:2:1: it is odd; {}", super::super::HOW)),
            ("f.patch.toml".to_owned(), format!("f.patch.toml: there is no f; {}", super::super::HOW)),
        ];
        let board = Board::new(false);
        board.show(Path::new("/w"), 7, &files_of(&overlay), &faults.into_iter().collect());
        board
    }

    #[test]
    fn each_file_says_where_it_comes_from_and_what_is_wrong() {
        let page = shown().page(None, 50);
        let said: Vec<_> = page
            .files
            .iter()
            .map(|it| (it.path.as_str(), it.origin, it.by.as_deref(), it.fault.as_deref()))
            .collect();
        assert_eq!(
            said,
            [
                ("a.md", Some(WorkspaceOrigin::Replaced), None, None),
                ("b.json", Some(WorkspaceOrigin::Patched), Some("b.patch.toml"), None),
                ("c.md", Some(WorkspaceOrigin::Hidden), Some("c.md.remove"), None),
                ("d.md", Some(WorkspaceOrigin::Framework), None, None),
                ("e.md", Some(WorkspaceOrigin::Workspace), None, Some("2:1: it is odd")),
                ("f.patch.toml", None, None, Some("there is no f")),
            ]
        );
        assert_eq!((page.folder.as_deref(), page.read_at, page.faults), (Some("/w"), Some(7), 2));
        assert_eq!(page.next_cursor, None);
    }

    #[test]
    fn it_comes_in_pages_that_miss_nothing() {
        let board = shown();
        let (mut paths, mut cursor) = (Vec::new(), None);
        loop {
            let page = board.page(cursor.as_deref(), 4);
            paths.extend(page.files.into_iter().map(|file| file.path));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paths, ["a.md", "b.json", "c.md", "d.md", "e.md", "f.patch.toml"]);
    }

    #[test]
    fn without_a_workspace_there_is_nothing() {
        assert_eq!(Board::new(false).page(None, 50), WorkspaceFiles::default());
    }
}
