//! A data directory made ready: locked, with keys, an open database and at least one operator. The broker
//! starts from here, and commands that find no broker running act through it.

use nexus_wire::{ErrorBody, FromBroker, Ms, OperatorName, Party};
use thiserror::Error;

use crate::clock;
use crate::config::{self, Config};
use crate::datadir::{DataDir, DataDirError, Lock, TOKEN_FILE};
use crate::edge::seconds;
use crate::hub::records::{Reads, StoreError, Transaction};
use crate::hub::{Access, Command, CommandBody, Effect, Hub, HubConfig, NewToken, Origin};
use crate::identity::keys::{KeysError, NexusKeys};
use crate::identity::token;
use crate::store::{OpenError, Options, SqliteStore, Synchronous};

/// Whom the first token belongs to.
pub(crate) const FIRST_OPERATOR: &str = "admin";
/// How that token is called among theirs.
pub(crate) const LOCAL_TOKEN: &str = "local";

#[derive(Debug, Error)]
pub enum SetupError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}", .0.message)]
    Refused(ErrorBody),
}

#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) data: DataDir,
    pub(crate) keys: NexusKeys,
    pub(crate) store: SqliteStore,
    pub(crate) hub: Hub,
    /// The last time on disk.
    pub(crate) last_at: Ms,
    /// A token made just now because there was no operator. To be shown once.
    pub(crate) first_token: Option<String>,
    /// Made with it, for a browser or another machine. To be shown once, too.
    pub(crate) setup_token: Option<String>,
    /// One was made earlier, is good, and nobody has used it.
    pub(crate) setup_waits: bool,
    /// Dropped last: another process may go on from here.
    pub(crate) lock: Lock,
}

impl Setup {
    pub(crate) fn open(config: &Config) -> Result<Self, SetupError> {
        let data = DataDir::open_ours(&config.data)?;
        let lock = data.lock()?;
        let (keys, _) = NexusKeys::open(&data, seconds())?;
        let synchronous = match config.synchronous {
            config::Synchronous::Full => Synchronous::Full,
            config::Synchronous::Off => Synchronous::Off,
        };
        data.keep_private(&data.database())?;
        let store = SqliteStore::open(&data.database(), Options { synchronous })?;
        let snapshot = store.snapshot()?;
        let last_at = snapshot.last_at;
        let setup_waits = snapshot.setup.is_some_and(|it| it.is_good(last_at.max(clock::wall())));
        let hub = Hub::rebuild(&store, config.hub.clone())?;
        let (first_token, setup_token) = (None, None);
        let mut setup = Self { data, keys, store, hub, last_at, first_token, setup_token, setup_waits, lock };
        if setup.hub.roster().operators().next().is_none() {
            setup.first_token = Some(setup.new_token()?);
            setup.setup_token = Some(setup.new_setup_token()?);
        }
        Ok(setup)
    }

    /// A new token for whoever owns the data directory. In the file before it is in the database: a crash
    /// between leaves a token that is not good yet, and not a good one that nobody knows.
    pub(crate) fn new_token(&mut self) -> Result<String, SetupError> {
        let token = token::mint();
        self.data.write_private(TOKEN_FILE, &format!("{token}\n"))?;
        let act = Access::LocalToken { operator: first_operator(), token: local_token(&token) };
        self.apply(CommandBody::Access { by: Party::System, act })?;
        Ok(token)
    }

    /// What the first person who comes over the network proves with that they may. An earlier one is void.
    pub(crate) fn new_setup_token(&mut self) -> Result<String, SetupError> {
        let token = token::mint_with(token::SETUP_PREFIX);
        let act = Access::OfferSetup { sha256: token::digest(&token) };
        self.apply(CommandBody::Access { by: Party::System, act })?;
        Ok(token)
    }

    /// Applies one command and makes it durable.
    pub(crate) fn apply(&mut self, body: CommandBody) -> Result<FromBroker, SetupError> {
        let origin = Origin::Call(0);
        let at = self.last_at.max(clock::wall());
        self.store.begin()?;
        let effects = self.hub.apply(&mut self.store, Command { at, origin, trace: None, body })?;
        self.store.commit()?;
        self.last_at = at;
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { origin: to, answer } if to == origin => Some(answer),
            Effect::Answer { .. }
            | Effect::Attach { .. }
            | Effect::Push { .. }
            | Effect::Insist { .. }
            | Effect::Tell { .. }
            | Effect::Close { .. }
            | Effect::RosterChanged { .. }
            | Effect::AtWork { .. }
            | Effect::DoorsChanged
            | Effect::HooksChanged
            | Effect::PushesChanged
            | Effect::WatchesChanged
            | Effect::Logged(_)
            | Effect::Passed(_) => None,
        });
        match answer {
            Some(Ok(frame)) => Ok(frame),
            Some(Err(body)) => Err(SetupError::Refused(body)),
            None => Ok(FromBroker::Ok(nexus_wire::Json::default())),
        }
    }
}

/// Applies one command to a store nobody else has open; `at` is its time unless the store is ahead of it.
pub(crate) fn apply_once(
    store: &mut SqliteStore,
    config: &HubConfig,
    body: CommandBody,
    at: Ms,
) -> Result<Hub, StoreError> {
    let mut hub = Hub::rebuild(store, config.clone())?;
    let at = store.snapshot()?.last_at.max(at);
    store.begin()?;
    // What is to be done after the commit is for links, and there are none.
    let _ = hub.apply(store, Command { at, origin: Origin::Broker, trace: None, body })?;
    store.commit()?;
    Ok(hub)
}

/// The operator whom the owner of the data directory acts as.
pub(crate) fn first_operator() -> OperatorName {
    #[expect(clippy::unwrap_used, reason = "the constant is a name, as a test says")]
    FIRST_OPERATOR.parse().unwrap()
}

/// `token` as the owner's.
pub(crate) fn local_token(token: &str) -> NewToken {
    #[expect(clippy::unwrap_used, reason = "the constant is a name, as a test says")]
    let name = LOCAL_TOKEN.parse().unwrap();
    NewToken { name, sha256: token::digest(token), lifetime_ms: None }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config(data: &std::path::Path) -> Config {
        Config::load(data, &[], |_| None).unwrap().0
    }

    #[test]
    fn the_first_start_makes_what_is_needed_and_the_second_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Setup::open(&config(dir.path())).unwrap();
        let token = first.first_token.clone().unwrap();
        let path = first.data.operator_token();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim_end(), token);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first.data.file("ca.pem").exists());
        let operator = first.hub.roster().operators().next().unwrap();
        let digests: Vec<_> = operator.tokens.iter().map(|it| it.sha256).collect();
        assert_eq!((&operator.name, digests), (&first_operator(), vec![token::digest(&token)]));
        let offered = first.setup_token.as_deref().map(token::digest);
        assert_eq!(first.hub.doors().setup().map(|it| it.sha256), offered);
        assert!(offered.is_some());
        assert!(matches!(
            Setup::open(&config(dir.path())),
            Err(SetupError::DataDir(DataDirError::InUse { .. }))
        ));
        let id = first.keys.nexus_id;
        drop(first);
        let second = Setup::open(&config(dir.path())).unwrap();
        assert_eq!((second.keys.nexus_id, second.first_token, second.setup_token), (id, None, None));
    }

    #[test]
    fn a_new_token_replaces_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut setup = Setup::open(&config(dir.path())).unwrap();
        let next = setup.new_token().unwrap();
        assert_ne!(Some(&next), setup.first_token.as_ref());
        let operators: Vec<_> = setup.hub.roster().operators().collect();
        assert_eq!(operators.len(), 1);
        let tokens: Vec<_> = operators[0].tokens.iter().map(|it| (it.name.as_str(), it.sha256)).collect();
        assert_eq!(tokens, [(LOCAL_TOKEN, token::digest(&next))]);
    }
}
