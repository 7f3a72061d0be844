//! Looks for planted secrets in whatever a run left behind: files, outputs, answers.

use std::fs;
use std::path::Path;

/// Secrets that must be nowhere but where they belong.
#[derive(Debug, Default)]
pub struct Canaries(Vec<(&'static str, Vec<Vec<u8>>)>);

impl Canaries {
    /// `name` is what a finding is called by; the secret itself is never said.
    pub fn plant(&mut self, name: &'static str, secret: &str) {
        let bytes = secret.as_bytes();
        assert!(bytes.len() >= 10, "{name} is too short to be told from chance");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        self.0.push((name, vec![bytes.to_vec(), hex.into_bytes(), reversed]));
    }

    /// Which of them are in `bytes`, as they are, as hexadecimal digits or backwards.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let has = |form: &Vec<u8>| bytes.windows(form.len()).any(|window| window == form.as_slice());
        self.0.iter().filter(|(_, forms)| forms.iter().any(has)).map(|(name, _)| *name).collect()
    }

    /// Everything found in the files below `folder`, but in those whose names are in `except`.
    pub fn found_below(&self, folder: &Path, except: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if except.iter().any(|name| entry.file_name() == **name) {
                continue;
            }
            if path.is_dir() {
                found.extend(self.found_below(&path, except));
            } else if let Ok(bytes) = fs::read(&path) {
                found
                    .extend(self.found_in(&bytes).iter().map(|name| format!("{name} in {}", path.display())));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_leak_is_found_in_every_form() {
        let mut canaries = Canaries::default();
        canaries.plant("key", "canary-3f9c-key");
        canaries.plant("password", "canary-77aa-password");
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("deep")).expect("ours");
        let leaks: [(&str, &[u8]); 3] = [
            ("deep/log", b"\0\xffsent canary-3f9c-key on"),
            ("hex", b"63616e6172792d336639632d6b6579"),
            ("back", b"drowssap-aa77-yranac"),
        ];
        for (name, bytes) in leaks {
            fs::write(dir.path().join(name), bytes).expect("ours");
        }
        fs::write(dir.path().join("clean"), "canary-3f9c").expect("ours");
        fs::write(dir.path().join("allowed"), "canary-3f9c-key").expect("ours");
        let mut found = canaries.found_below(dir.path(), &["allowed"]);
        found.sort();
        let at = |name: &str, file: &str| format!("{name} in {}", dir.path().join(file).display());
        let mut expected = [at("key", "deep/log"), at("key", "hex"), at("password", "back")];
        expected.sort();
        assert_eq!(found, expected);
    }
}
