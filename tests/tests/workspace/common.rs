//! What these tests type, and what they write into a workspace.

use std::fs;
use std::process::Output;

use nexus_tests::World;
use nexus_tests::world::text;

pub(crate) fn workspace(world: &World, args: &[&str]) -> Output {
    world.command("nexus").arg("workspace").args(args).output().expect("nexus runs")
}

pub(crate) fn said(world: &World, args: &[&str]) -> String {
    let out = workspace(world, args);
    assert!(out.status.success(), "{args:?}: {}", text(&out));
    String::from_utf8(out.stdout).expect("text")
}

pub(crate) fn put(world: &World, path: &str, text: &str) {
    let path = world.dir().join("workspace").join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}
