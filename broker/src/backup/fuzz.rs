//! Fuzz target: an archive that anybody may have made ends in its members or in a refusal, and nothing of it lands
//! outside the folder it is unpacked into.

use std::path::Path;

use bolero::check;
use tar::{Builder, Header};

use super::archive::members;
use super::{BLOBS, DATABASE, FORMAT, MANIFEST, Manifest};
use crate::altered::Altered;

pub(super) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, *bytes).expect("memory takes it");
    }
    archive.into_inner().expect("memory takes it")
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_archive() {
    let manifest = Manifest {
        format: FORMAT,
        version: "0.1.0".to_owned(),
        nexus_id: uuid::Uuid::nil(),
        made_at: 0,
        schema: 1,
        head: format!("0:{}", "0".repeat(64)),
        database_bytes: 3,
        database_sha256: "0".repeat(64),
        keys: false,
    };
    let manifest = serde_json::to_vec(&manifest).expect("it serializes");
    let blob = format!("{BLOBS}{}", "0".repeat(64));
    let texts = [
        archive(&[(MANIFEST, &manifest), (DATABASE, b"abc"), (&blob, b"x")]),
        archive(&[(MANIFEST, &manifest), ("nexus.toml", b"")]),
        archive(&[(MANIFEST, b"{}"), (DATABASE, b"")]),
    ];
    let around = tempfile::tempdir().expect("a folder");
    std::fs::write(around.path().join("a.tar"), &texts[0]).expect("writable");
    members(&around.path().join("a.tar"), around.path()).expect("unaltered the first is whole");
    check!().with_type::<Altered>().for_each(|altered| {
        let around = tempfile::tempdir().expect("a folder");
        let (file, to) = (around.path().join("a.tar"), around.path().join("to"));
        std::fs::write(&file, altered.of(&texts)).expect("writable");
        std::fs::create_dir(&to).expect("writable");
        let _ = members(&file, &to);
        assert_eq!(names_in(around.path()), ["a.tar", "to"]);
        let known = [MANIFEST, DATABASE, "nexus.toml", "blobs"];
        for name in names_in(&to) {
            assert!(
                known.contains(&name.as_str()) || crate::datadir::KEY_FILES.contains(&name.as_str()),
                "{name}"
            );
        }
    });
}
