//! A hub, a store and a clock that only goes forward, with short ways to say what a test is about.

use std::path::Path;

use nexus_broker::hub::records::Transaction;
use nexus_broker::hub::{Change, Command, CommandBody, Effect, Hub, HubConfig, Origin, Traced};
use nexus_broker::store::{MemoryStore, Options, SqliteStore};
use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::inbox::Item;
use nexus_wire::roster::{AspectRole, Register, Registered};
use nexus_wire::{AspectName, EpochId, ErrorBody, FromBroker, LinkId, Ms, Party, RequestId};
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub(crate) const START: Ms = 1_800_000_000_000;

pub(crate) struct World<S> {
    pub(crate) hub: Hub,
    pub(crate) store: S,
    pub(crate) at: Ms,
    pub(crate) config: HubConfig,
    /// On whose account everything is asked.
    pub(crate) trace: Option<Box<Traced>>,
    ids: u128,
}

pub(crate) fn memory() -> World<MemoryStore> {
    World::new(MemoryStore::new())
}

pub(crate) fn sqlite(dir: &Path) -> World<SqliteStore> {
    World::new(SqliteStore::open(&dir.join("nexus.db"), Options::default()).unwrap())
}

pub(crate) fn name(text: &str) -> AspectName {
    text.parse().unwrap()
}

pub(crate) fn party(text: &str) -> Party {
    text.parse().unwrap()
}

impl<S: Transaction> World<S> {
    pub(crate) fn new(store: S) -> Self {
        let hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
        Self { hub, store, at: START, config: HubConfig::default(), ids: 0, trace: None }
    }

    /// A UUIDv7 of the world's time.
    pub(crate) fn id(&mut self) -> Uuid {
        self.ids += 1;
        let time = (self.at as u128) << 80;
        Uuid::from_u128(time | 0x7000 << 64 | 0x8000_0000_0000_0000 | self.ids)
    }

    /// One batch; the hub must be what the store says afterwards.
    pub(crate) fn batch(&mut self, commands: Vec<(Origin, CommandBody)>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.store.begin().unwrap();
        for (origin, body) in commands {
            let command = Command { at: self.at, origin, trace: self.trace.clone(), body };
            effects.extend(self.hub.apply(&mut self.store, command).unwrap());
        }
        self.store.commit().unwrap();
        self.check();
        effects
    }

    pub(crate) fn check(&self) {
        let rebuilt = Hub::rebuild(&self.store, self.config.clone()).unwrap();
        assert_eq!(rebuilt, self.hub);
    }

    /// A broker starts with these settings.
    pub(crate) fn start(&mut self, config: HubConfig) -> Vec<Effect> {
        self.config = config.clone();
        self.apply(CommandBody::BrokerStarted(config))
    }

    pub(crate) fn apply(&mut self, body: CommandBody) -> Vec<Effect> {
        self.at += 1;
        self.batch(vec![(Origin::Call(7), body)])
    }

    pub(crate) fn call(&mut self, body: CommandBody) -> (Result<FromBroker, ErrorBody>, Vec<Effect>) {
        let mut effects = self.apply(body);
        let at =
            effects.iter().position(|effect| matches!(effect, Effect::Answer { .. })).expect("an answer");
        let Effect::Answer { answer, .. } = effects.remove(at) else { unreachable!("it was found") };
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Answer { .. })), "one answer");
        (answer, effects)
    }

    pub(crate) fn aspect(&mut self, name: &str) {
        self.aspect_with(name, AspectRole::Worker, 1);
    }

    pub(crate) fn aspect_with(&mut self, name: &str, role: AspectRole, key: u8) {
        use base64::Engine;
        let public_key = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode([key; 32]);
        let add = AspectAdd { name: name.parse().unwrap(), role, public_key, share_knowledge: false };
        let (answer, _) = self.call(CommandBody::AddAspect { by: Party::System, add });
        answer.unwrap();
    }

    pub(crate) fn operator(&mut self, name: &str) {
        let add = OperatorAdd {
            name: name.parse().unwrap(),
            role: OperatorRole::Admin,
            token_sha256: name.bytes().cycle().take(32).map(|byte| format!("{byte:02x}")).collect(),
        };
        let (answer, _) = self.call(CommandBody::AddOperator { by: Party::System, add });
        answer.unwrap();
    }

    pub(crate) fn register(&mut self, name: &str, register: Register) -> Result<Registered, ErrorBody> {
        let link = LinkId(self.id());
        self.register_on(name, link, register).0
    }

    pub(crate) fn register_on(
        &mut self,
        aspect: &str,
        link: LinkId,
        register: Register,
    ) -> (Result<Registered, ErrorBody>, Vec<Effect>) {
        let key_generation =
            self.hub.roster().aspect(&name(aspect)).map_or(0, |record| record.key_generation);
        let new_epoch = EpochId(self.id());
        let body = CommandBody::Register { aspect: name(aspect), link, key_generation, register, new_epoch };
        let (answer, effects) = self.call(body);
        let registered = answer.map(|frame| {
            let FromBroker::Registered(registered) = frame else { panic!("{frame:?} is no `registered`") };
            *registered
        });
        (registered, effects)
    }

    /// Lets an aspect in and registers it.
    pub(crate) fn online(&mut self, name: &str) -> Registered {
        self.aspect(name);
        self.register(name, Register::default()).unwrap()
    }

    pub(crate) fn link(&self, aspect: &str) -> Option<LinkId> {
        self.hub.roster().aspect(&name(aspect)).and_then(|record| record.link)
    }

    pub(crate) fn request_as(
        &mut self,
        sender: &str,
        request: RequestId,
        change: Change,
    ) -> (Result<FromBroker, ErrorBody>, Vec<Effect>) {
        let link = self.link(sender.trim_start_matches("operator/"));
        let link = if sender.starts_with("operator/") { None } else { link };
        self.call(CommandBody::Request { sender: party(sender), link, request, change })
    }

    pub(crate) fn request<T: DeserializeOwned>(
        &mut self,
        sender: &str,
        change: Change,
    ) -> Result<T, ErrorBody> {
        let request = RequestId(self.id());
        self.request_as(sender, request, change).0.map(|frame| parsed(&frame))
    }

    pub(crate) fn send(&mut self, sender: &str, send: ChatSend) -> Result<ChatSent, ErrorBody> {
        self.request(sender, Change::ChatSend(send.into()))
    }

    pub(crate) fn say(&mut self, sender: &str, content: &str) -> ChatSent {
        self.send(sender, message(content)).unwrap()
    }

    pub(crate) fn ack(&mut self, aspect: &str, offset: u64) -> Result<FromBroker, ErrorBody> {
        let link = self.link(aspect).unwrap();
        self.call(CommandBody::Ack { aspect: name(aspect), link, offset }).0
    }

    pub(crate) fn inbox(&self, aspect: &str) -> Vec<Item> {
        let rows = self.store.inbox(&name(aspect), 0, 1000).unwrap();
        rows.iter()
            .enumerate()
            .map(|(at, row)| {
                assert_eq!(row.offset, at as u64 + 1, "offsets have no holes");
                let item: Item = serde_json::from_str(&row.json).unwrap();
                assert_eq!(item.id, row.id);
                item
            })
            .collect()
    }
}

pub(crate) fn parsed<T: DeserializeOwned>(frame: &FromBroker) -> T {
    let FromBroker::Ok(json) = frame else { panic!("{frame:?} is no `ok`") };
    json.parse().unwrap()
}

/// A message with nothing but content.
pub(crate) fn message(content: &str) -> ChatSend {
    ChatSend { content: content.into(), ..ChatSend::default() }
}

/// Runs a test on both stores.
#[macro_export]
macro_rules! on_both_stores {
    ($($(#[$doc:meta])* fn $name:ident($world:ident) $body:block)*) => {
        $(mod $name {
            use super::*;

            fn scenario<S: nexus_broker::hub::records::Transaction>($world: &mut $crate::world::World<S>) $body

            #[test]
            fn in_memory() {
                scenario(&mut $crate::world::memory());
            }

            #[test]
            fn on_sqlite() {
                let dir = tempfile::tempdir().unwrap();
                scenario(&mut $crate::world::sqlite(dir.path()));
            }
        })*
    };
}
