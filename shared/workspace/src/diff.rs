//! What a workspace has made of the framework's files, as a unified diff.

use similar::TextDiff;

use crate::layer::Layer;
use crate::overlay::{Origin, Overlay};

/// Empty where nothing that was shipped is another. What is no text is only named.
pub fn diff(framework: &Layer, overlay: &Overlay) -> String {
    let mut told = String::new();
    for (path, before) in framework {
        let after = overlay.files.get(path);
        if after.is_some_and(|after| after.origin == Origin::Framework || after.bytes == *before) {
            continue;
        }
        let new = after.map(|after| after.bytes.as_slice()).unwrap_or_default();
        let (Ok(old), Ok(new)) = (std::str::from_utf8(before), std::str::from_utf8(new)) else {
            told.push_str(&format!("{path}: the two differ, and are no text\n"));
            continue;
        };
        let named = after.map_or_else(|| "/dev/null".to_owned(), |_| format!("workspace/{path}"));
        let diff = TextDiff::from_lines(old, new);
        told.push_str(&diff.unified_diff().header(&format!("framework/{path}"), &named).to_string());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_another_is_shown_line_by_line() {
        let framework = Layer::from([
            ("a.md".to_owned(), b"one\ntwo\n".to_vec()),
            ("b.md".to_owned(), b"same\n".to_vec()),
            ("c.md".to_owned(), b"gone\n".to_vec()),
        ]);
        let workspace = Layer::from([
            ("a.md".to_owned(), b"one\nthree\n".to_vec()),
            ("b.md".to_owned(), b"same\n".to_vec()),
            ("c.md.remove".to_owned(), Vec::new()),
            ("d.md".to_owned(), b"new\n".to_vec()),
        ]);
        let told = diff(&framework, &Overlay::of(&framework, &workspace));
        assert_eq!(
            told,
            "--- framework/a.md\n+++ workspace/a.md\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n\
             --- framework/c.md\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
        );
    }
}
