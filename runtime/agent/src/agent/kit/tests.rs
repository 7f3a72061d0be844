use std::fs;
use std::path::Path;

use nexus_client::KeyFile;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::home::SOUL_FILE;
use crate::uplink::line;

struct World {
    home: tempfile::TempDir,
    kits: Kits,
}

impl World {
    fn new() -> Self {
        nexus_client::install_crypto();
        let home = tempfile::tempdir().expect("a folder");
        fs::create_dir(home.path().join("work")).expect("made");
        fs::write(home.path().join(SOUL_FILE), "I am a test.").expect("written");
        write(home.path(), &settings());
        let key = KeyFile::generate(
            "forge".parse().expect("a name"),
            Uuid::nil(),
            "http://127.0.0.1:1".into(),
            None,
        );
        let key = key.expect("a key");
        let loaded = Home::load(home.path(), |_| None).expect("in order");
        let broker = Broker::of_keyfile(key.clone()).expect("an address");
        let bench = Bench {
            home: loaded.dir.clone(),
            env: |_| None,
            via: Via::of(&key, broker.clone()),
            broker,
            line: line().0,
            claims: Claims { claims: mpsc::channel(1).0, waiting: None },
            teller: Teller::of(&loaded.settings),
        };
        let kits = Kits::new(bench, loaded).expect("made");
        Self { home, kits }
    }

    fn look(&self, settings: &Value) -> Arc<Kit> {
        write(self.home.path(), settings);
        self.kits.look();
        self.kits.current()
    }

    /// What is wrong, without the folder.
    fn faults(&self) -> Vec<String> {
        let dir = format!("{}/", self.kits.bench.home.display());
        self.kits.faults.borrow().iter().map(|fault| fault.to_string().replace(&dir, "")).collect()
    }
}

fn settings() -> Value {
    json!({"name": "forge", "tools": ["read_file"]})
}

fn with(field: &str, value: Value) -> Value {
    let mut settings = settings();
    settings[field] = value;
    settings
}

fn write(home: &Path, settings: &Value) {
    fs::write(home.join(SETTINGS_FILE), format!("{settings:#}")).expect("written");
}

#[tokio::test]
async fn a_change_makes_a_new_kit_and_keeps_what_did_not_change() {
    let world = World::new();
    let first = world.kits.current();
    assert!(Arc::ptr_eq(&first, &world.look(&settings())), "nothing has changed");
    let second = world.look(&with("tools", json!(["read_file", "list_files"])));
    assert_eq!((first.settings.tools.len(), second.settings.tools.len()), (1, 2));
    assert_eq!(second.toolbox.specs().len(), 2);
    assert!(Arc::ptr_eq(&first.provider, &second.provider), "its provider is the same");
    fs::write(world.home.path().join(SOUL_FILE), "I am another.").expect("written");
    world.kits.look();
    let third = world.kits.current();
    assert_eq!((third.persona.text().as_str(), third.settings.tools.len()), ("I am another.", 2));
    let openai = json!({"kind": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"});
    let fourth = world.look(&with("provider", openai));
    assert_eq!(fourth.provider.kind().name(), "openai");
    assert_eq!(world.faults(), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing_and_is_told_until_it_is_mended() {
    let world = World::new();
    let first = world.kits.current();
    let broken = [
        (with("slots", json!(0)), "aspect.json:3:12: slots: 0 is too small; at least 1"),
        (
            with("name", json!("other")),
            "aspect.json: name: this cannot change while the agent runs; stop it and start it again",
        ),
        (
            with("context_mode", json!("global")),
            "aspect.json: context_mode: this cannot change while the agent runs; stop it and start it again",
        ),
        (
            with("provider", json!({"kind": "anthropic", "model": "m"})),
            "aspect.json:3:15: provider.api_key_env: the variable ANTHROPIC_API_KEY is not set; export it, or name another \
             one; a variable set later is seen after the agent was started again",
        ),
    ];
    for (settings, told) in broken {
        assert!(Arc::ptr_eq(&first, &world.look(&settings)), "{told}");
        assert_eq!(world.faults(), [told]);
    }
    let added = world.look(&with("roots", json!({"later": "later"})));
    assert!(Arc::ptr_eq(&first, &added));
    assert_eq!(world.faults().len(), 1);
    fs::create_dir(world.home.path().join("later")).expect("made");
    world.kits.look();
    assert_eq!(world.faults(), [""; 0], "the folder that was missing is there");
    assert_eq!(world.kits.current().settings.roots[0].label, "later");
}
