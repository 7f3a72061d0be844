//! One look at a watched folder: which files there are, and what tells one state of each from another. No file is opened
//! for it and no link is followed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use globset::GlobMatcher;

use crate::runner::Watch;
use crate::tools::{Place, Roots, is_closed};

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    /// When it was written last: seconds and nanoseconds.
    pub(crate) mtime: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), mtime: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// By their paths below the folder.
pub(crate) type Files = BTreeMap<PathBuf, Stamp>;

/// Which folder it was: another one may have taken its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    dev: u64,
    ino: u64,
}

#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) place: Place,
    pub(crate) identity: Identity,
    pub(crate) files: Files,
}

/// What is there, or why that cannot be said. Half a look would tell of files as gone that are only not seen.
pub(crate) fn look(watch: &Watch, roots: &Roots) -> Result<Seen, String> {
    let place = roots.resolve(&watch.folder).map_err(|error| error.to_string())?;
    let told = |path: &Path, error: &io::Error| {
        let shown = place.shown_of(path).unwrap_or_else(|| watch.folder.clone());
        format!("{shown:?} cannot be read: {error}")
    };
    let top = fs::metadata(&place.real).map_err(|error| told(&place.real, &error))?;
    if !top.is_dir() {
        return Err(format!("{:?} is no folder any more", watch.folder));
    }
    let pattern = watch.pattern.as_ref().map(globset::Glob::compile_matcher);
    let mut walk = Walk { watch, pattern, files: Files::new(), entries: 0 };
    let mut folders = vec![(place.real.clone(), 1)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // It went between two looks of ours.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder != place.real => continue,
            Err(error) => return Err(told(&folder, &error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| told(&folder, &error))?.path();
            match fs::symlink_metadata(&path) {
                Ok(metadata) => {
                    if walk.take(&place.real, &path, &metadata)?
                        && watch.depth().is_none_or(|most| depth < most)
                    {
                        folders.push((path, depth + 1));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(told(&path, &error)),
            }
        }
    }
    let (files, identity) = (walk.files, Identity { dev: top.dev(), ino: top.ino() });
    Ok(Seen { place, identity, files })
}

struct Walk<'a> {
    watch: &'a Watch,
    pattern: Option<GlobMatcher>,
    files: Files,
    entries: usize,
}

impl Walk<'_> {
    /// Whether it is a folder that is gone into.
    fn take(&mut self, top: &Path, path: &Path, metadata: &Metadata) -> Result<bool, String> {
        let Ok(within) = path.strip_prefix(top) else { return Ok(false) };
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_closed(within) || (is_hidden && !self.watch.hidden) {
            return Ok(false);
        }
        self.entries += 1;
        if self.entries > self.watch.entries_max {
            let most = self.watch.entries_max;
            return Err(format!(
                "there are more than {most} files and folders in {:?}; watch a folder with fewer, or raise entries_max",
                self.watch.folder
            ));
        }
        let counts = self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(within));
        if metadata.is_file() && counts {
            self.files.insert(within.to_path_buf(), Stamp::of(metadata));
        }
        Ok(metadata.is_dir())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use serde_json::{Value, json};

    use super::*;
    use crate::runner::watch_of;
    use crate::tools::Root;

    struct Place {
        _dir: tempfile::TempDir,
        top: PathBuf,
        root: Root,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let top = dir.path().canonicalize().expect("there").join("data");
            fs::create_dir_all(top.join("inbox/deep/deeper")).expect("made");
            let root = Root { label: "data".to_owned(), path: top.clone(), write: false };
            Self { _dir: dir, top, root }
        }

        fn write(&self, path: impl AsRef<Path>) {
            fs::write(self.top.join(path), "x").expect("written");
        }

        fn see(&self, settings: &Value) -> Result<Vec<String>, String> {
            let watch = watch_of("inbox", settings, std::slice::from_ref(&self.root)).expect("a watch");
            let seen = look(&watch, &Roots::new(vec![self.root.clone()]))?;
            Ok(seen.files.keys().map(|path| path.to_string_lossy().into_owned()).collect())
        }
    }

    #[test]
    fn files_count_as_the_settings_say_and_links_never_do() {
        let place = Place::new();
        for path in ["beside.csv", "inbox/a.csv", "inbox/b.txt", "inbox/.hidden.csv", "inbox/deep/c.csv"] {
            place.write(path);
        }
        place.write("inbox/deep/deeper/d.csv");
        fs::create_dir_all(place.top.join("inbox/.nexus")).expect("made");
        place.write("inbox/.nexus/key.csv");
        let odd: [&[u8]; 3] = [b"new\nline", b"{{ payload }}", b"\xff\xfe"];
        for name in odd {
            place.write(Path::new("inbox").join(OsStr::from_bytes(name)));
        }
        symlink("/etc", place.top.join("inbox/etc")).expect("linked");
        symlink(place.top.join("beside.csv"), place.top.join("inbox/link.csv")).expect("linked");
        symlink(".", place.top.join("inbox/loop")).expect("linked");
        let see = |more: Value| {
            let mut settings = json!({"folder": "data/inbox"});
            for (key, value) in more.as_object().expect("fields") {
                settings[key] = value.clone();
            }
            place.see(&settings).expect("seen")
        };
        fn csv<'a>(deep: &[&'a str]) -> Vec<&'a str> {
            [&["a.csv"], deep].concat()
        }
        assert_eq!(see(json!({"pattern": "*.csv"})), csv(&[]));
        assert_eq!(see(json!({"pattern": "*.csv", "hidden": true})), [".hidden.csv", "a.csv"]);
        assert_eq!(see(json!({"pattern": "**/*.csv"})), csv(&["deep/c.csv", "deep/deeper/d.csv"]));
        assert_eq!(see(json!({"pattern": "*/*.csv"})), ["deep/c.csv"]);
        assert_eq!(see(json!({"pattern": "{deep/,}*.{csv,txt}"})), ["a.csv", "b.txt", "deep/c.csv"]);
        let all = [
            "a.csv",
            "b.txt",
            "deep/c.csv",
            "deep/deeper/d.csv",
            "new\nline",
            "{{ payload }}",
            "\u{fffd}\u{fffd}",
        ];
        assert_eq!(see(json!({})), all);
    }

    #[test]
    fn half_a_look_is_none() {
        let place = Place::new();
        for no in 0..5 {
            place.write(format!("inbox/{no}"));
        }
        // Five files and a folder, in which there is another one.
        assert_eq!(
            place.see(&json!({"folder": "data/inbox", "entries_max": 7})).map(|seen| seen.len()),
            Ok(5)
        );
        let many = place.see(&json!({"folder": "data/inbox", "entries_max": 6})).expect_err("too many");
        assert!(many.starts_with("there are more than 6 files and folders in \"data/inbox\""), "{many}");
        let settings = json!({"folder": "data/inbox"});
        let watch = watch_of("inbox", &settings, std::slice::from_ref(&place.root)).expect("a watch");
        let roots = Roots::new(vec![place.root.clone()]);
        let before = look(&watch, &roots).expect("seen").identity;
        fs::rename(place.top.join("inbox"), place.top.join("old")).expect("moved");
        let gone = look(&watch, &roots).expect_err("it is gone");
        assert!(gone.contains("nothing is there"), "{gone}");
        // What leads elsewhere by now is not followed.
        symlink("/etc", place.top.join("inbox")).expect("linked");
        let outside = look(&watch, &roots).expect_err("it leads out");
        assert!(outside.contains("leads out of its root"), "{outside}");
        fs::remove_file(place.top.join("inbox")).expect("removed");
        fs::create_dir(place.top.join("inbox")).expect("made");
        assert_ne!(look(&watch, &roots).expect("seen").identity, before, "it is another folder");
    }
}
