//! Fuzz target: any `nexus.toml` is a configuration or is refused.

use bolero::check;

use super::Config;
use crate::altered::Altered;

#[test]
fn settings_of_a_file() {
    let texts = [
        "listen = \"127.0.0.1:7888\"\n[blobs]\nquota_mb = 1024\n",
        "public_url = \"https://a.example\"\n[hands]\nsoft_cap = 0x40\n",
        "[metrics]\nopen_on_loopback = true\n# a remark\n[threads]\nloop_messages = 40\n",
    ];
    let data = tempfile::tempdir().expect("a folder");
    let file = data.path().join("nexus.toml");
    for text in &texts {
        std::fs::write(&file, text).expect("writable");
        Config::load(data.path(), &[], |_| None).expect("unaltered they are taken");
    }
    check!().with_type::<Altered>().for_each(|altered| {
        std::fs::write(&file, altered.of(&texts)).expect("writable");
        let _ = Config::load(data.path(), &[], |_| None);
    });
}
