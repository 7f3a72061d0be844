//! What a workspace has made of the framework, as a patch for the framework itself: only what others can use, and
//! nothing that is about one person or one machine. Pure.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use similar::TextDiff;

use crate::fault::Fault;
use crate::layer::Layer;
use crate::overlay::{Effective, Origin, Overlay};
use crate::scan::scan;

/// What the framework is made of.
const SHARED: [&str; 4] = ["aspects/", "flows/", "skills/", "triggers/"];
/// How files are called that editors, systems and runs leave behind.
const LEFTOVERS: &str = r"(?:\.(?:bak|jsonl|log|orig|pid|pyc|rej|sock|swp|tmp)|~)$|(?:^|/)(?:\.DS_Store|Thumbs\.db|__pycache__|\.cache|target)(?:/|$)";
/// Addresses and names that mean something in one network alone.
const HERE: &str = r"(?x)
    \b10(?:\.[0-9]{1,3}){3}\b | \b192\.168(?:\.[0-9]{1,3}){2}\b | \b172\.(?:1[6-9]|2[0-9]|3[01])(?:\.[0-9]{1,3}){2}\b
    | \b[A-Za-z0-9-]+\.(?:home\.arpa|internal|intranet|lan|local)\b";
/// Shorter names of machines and people stand in too many texts that are not about them.
const NAME_BYTES_MIN: usize = 3;

static LEFTOVER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(LEFTOVERS).ok());
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(HERE).ok());

/// A patch, and what is not in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Contribution {
    /// For `git apply`; empty where there is nothing to give.
    pub patch: String,
    /// The files it is about.
    pub files: Vec<String>,
    /// Those it is not about though the workspace changes them, and why.
    pub left_out: BTreeMap<String, String>,
}

/// `names` are those of this machine and of who uses it: a file with one of them stays here.
pub fn contribute(framework: &Layer, overlay: &Overlay, names: &[String]) -> Contribution {
    let mut all = Contribution::default();
    let names: Vec<(&String, Regex)> = names
        .iter()
        .filter(|name| name.len() >= NAME_BYTES_MIN && *name != "localhost" && *name != "root")
        .filter_map(|name| {
            // A folder begins with no letter, and so at no boundary of a word.
            let start = if name.starts_with(|c: char| c.is_alphanumeric()) { r"\b" } else { "" };
            Some((name, Regex::new(&format!(r"(?i){start}{}\b", regex::escape(name))).ok()?))
        })
        .collect();
    for (path, file) in overlay.files.iter().filter(|(_, file)| file.origin != Origin::Framework) {
        let before = framework.get(path);
        if before == Some(&file.bytes) {
            continue;
        }
        match given(path, file, &names) {
            Ok(new) => all.add(path, before.map(Vec::as_slice), Some(new)),
            Err(why) => _ = all.left_out.insert(path.clone(), why),
        }
    }
    for path in overlay.hidden.keys().filter(|path| !overlay.files.contains_key(*path)) {
        all.add(path, framework.get(path).map(Vec::as_slice), None);
    }
    all.files.sort();
    all
}

impl Contribution {
    fn add(&mut self, path: &str, before: Option<&[u8]>, after: Option<&str>) {
        let Ok(old) = std::str::from_utf8(before.unwrap_or_default()) else {
            self.left_out.insert(path.to_owned(), "what it takes the place of is no text".to_owned());
            return;
        };
        let (from, to) = (format!("a/{path}"), format!("b/{path}"));
        self.patch.push_str(&format!("diff --git {from} {to}\n"));
        if before.is_none() {
            self.patch.push_str("new file mode 100644\n");
        }
        if after.is_none() {
            self.patch.push_str("deleted file mode 100644\n");
        }
        let from = if before.is_some() { from.as_str() } else { "/dev/null" };
        let to = if after.is_some() { to.as_str() } else { "/dev/null" };
        let diff = TextDiff::from_lines(old, after.unwrap_or_default());
        self.patch.push_str(&diff.unified_diff().header(from, to).to_string());
        self.files.push(path.to_owned());
    }
}

/// Its text, or why it stays here.
fn given<'a>(path: &str, file: &'a Effective, names: &[(&String, Regex)]) -> Result<&'a str, String> {
    if !SHARED.iter().any(|folder| path.starts_with(folder)) {
        return Err(format!("it is this workspace's own; {} are shared", SHARED.join(", ")));
    }
    if LEFTOVER.as_ref().is_none_or(|leftover| leftover.is_match(path)) {
        return Err("it is called like something that is left behind by a run or an editor".to_owned());
    }
    if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)) {
        return Err("its name has more in it than letters, digits, `.`, `_` and `-`".to_owned());
    }
    let text = std::str::from_utf8(&file.bytes).map_err(|_| "it is no text".to_owned())?;
    if let Some(fault) = scan(path, text).first() {
        return Err(at(fault));
    }
    if let Some(found) = ADDRESS.as_ref().and_then(|address| address.find(text)) {
        let message = format!("{} means something in one network alone", found.as_str());
        return Err(at(&Fault::at(path, text, found.start(), message)));
    }
    for (name, pattern) in names {
        if let Some(found) = pattern.find(text).or_else(|| pattern.find(path)) {
            let message = format!("{name} is this machine, or who uses it");
            return Err(at(&Fault::at(path, text, found.start(), message)));
        }
    }
    Ok(text)
}

/// Where in the file, and what.
fn at(fault: &Fault) -> String {
    match (fault.line, fault.column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: {}", fault.message),
        _ => fault.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> Layer {
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn of(framework: &[(&str, &str)], workspace: &[(&str, &str)]) -> Contribution {
        let framework = layer(framework);
        let names = ["anvil".to_owned(), "ana".to_owned(), "al".to_owned()];
        contribute(&framework, &Overlay::of(&framework, &layer(workspace)), &names)
    }

    #[test]
    fn what_others_can_use_is_a_patch() {
        let all = of(
            &[
                ("skills/sum.md", "# sum\none\n"),
                ("skills/old.md", "# old\n"),
                ("skills/same.md", "# same\n"),
            ],
            &[
                ("skills/sum.md", "# sum\ntwo\n"),
                ("skills/same.md", "# same\n"),
                ("skills/old.md.remove", ""),
                ("flows/day.yaml", "id: day\n"),
            ],
        );
        assert_eq!(
            all.patch,
            "diff --git a/flows/day.yaml b/flows/day.yaml\nnew file mode 100644\n--- /dev/null\n+++ b/flows/day.yaml\n\
             @@ -0,0 +1 @@\n+id: day\n\
             diff --git a/skills/sum.md b/skills/sum.md\n--- a/skills/sum.md\n+++ b/skills/sum.md\n\
             @@ -1,2 +1,2 @@\n # sum\n-one\n+two\n\
             diff --git a/skills/old.md b/skills/old.md\ndeleted file mode 100644\n--- a/skills/old.md\n+++ /dev/null\n\
             @@ -1 +0,0 @@\n-# old\n"
        );
        assert_eq!(all.files, ["flows/day.yaml", "skills/old.md", "skills/sum.md"]);
        assert!(all.left_out.is_empty());
    }

    #[test]
    fn what_is_about_one_person_or_one_machine_stays_here() {
        // Put together here, so that this file holds none.
        let key = format!("key: sk-{}", "canary0".repeat(4));
        let stays = [
            ("README.md", "# Ours", "it is this workspace's own"),
            ("followups.yaml", "[]", "it is this workspace's own"),
            ("flows/day.log", "x", "it is called like something that is left behind"),
            ("aspects/wren/__pycache__/x", "x", "it is called like something that is left behind"),
            ("flows/a b.md", "x", "its name has more in it"),
            ("flows/key.md", &key, "line 1, column 6: this looks like the key of a model's API"),
            (
                "flows/home.md",
                "\nin /home/ana/x",
                "line 2, column 4: /home/ana is a folder of one machine's user",
            ),
            ("flows/host.md", "on anvil:80", "line 1, column 4: anvil is this machine"),
            ("flows/who.md", "ask Ana", "line 1, column 5: ana is this machine, or who uses it"),
            (
                "flows/net.md",
                "at 192.168.1.7",
                "line 1, column 4: 192.168.1.7 means something in one network alone",
            ),
            ("flows/lan.md", "at nas.local", "line 1, column 4: nas.local means something"),
        ];
        let workspace: Vec<(&str, &str)> = stays.iter().map(|(path, text, _)| (*path, *text)).collect();
        let all = of(&[], &workspace);
        assert_eq!((all.patch.as_str(), all.left_out.len()), ("", stays.len()));
        for (path, _, why) in stays {
            assert!(all.left_out[path].starts_with(why), "{path}: {}", all.left_out[path]);
        }
        assert!(!format!("{all:?}").contains("canary0"));
        let fine =
            of(&[], &[("flows/fine.md", "Analyse 127.0.0.1, 8.8.8.8, all and anvils; see localhost.")]);
        assert!(fine.left_out.is_empty(), "{:?}", fine.left_out);
    }
}
