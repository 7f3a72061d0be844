//! Administration from the command line: by the broker that runs on the data directory, or, when none does, by
//! the same command applied to the database directly.

mod people;

use std::time::Duration;

use nexus_client::{Broker, Credential, DialError, DialErrorKind, Endpoint, EndpointError};
use nexus_wire::access::{KeyRotate, KeyRotated};
use nexus_wire::admin::{AspectAdd, AspectKey, NexusCa};
use nexus_wire::roster::{AspectInfo, Team};
use nexus_wire::{AspectName, ErrorBody, FromBroker, Json, Ms, OperatorName, Party};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::sleep;

use super::print::say;
use crate::config::Config;
use crate::datadir::{DataDir, DataDirError, RunFile, TOKEN_FILE};
use crate::hub::records::AspectRecord;
use crate::hub::{Access, CommandBody, public_key};
use crate::identity::keys::{KeysError, NexusKeys};
use crate::setup::{Setup, SetupError};

/// A broker that is just starting has the lock and has not said yet where it is.
const START_WAIT: Duration = Duration::from_secs(5);
const START_POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Error)]
pub(super) enum AdminError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("{}", through_broker(.0))]
    Dial(#[from] DialError),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(
        "a broker runs, and {0} with the admin's token is not there; stop the broker and run `nexus token new`"
    )]
    NoToken(std::path::PathBuf),
    #[error("the broker answered something unexpected: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("there is no operator {0}; `nexus operator list` shows who is in")]
    NoOperator(OperatorName),
    #[error("{}", .0.message)]
    Refused(ErrorBody),
}

/// A refusal reads as it does without a broker; the rest is about the way there.
fn through_broker(error: &DialError) -> String {
    if let DialErrorKind::Status { status: 400..500, message } = &error.kind {
        return message.clone();
    }
    format!("the broker of this data directory cannot be used: {error}")
}

/// Where commands are applied.
pub(super) struct Admin {
    way: Way,
    pub(super) nexus: NexusCa,
    /// As keyfiles of this machine have it.
    pub(super) url: String,
}

enum Way {
    Broker(Broker),
    /// Nobody runs here; this process holds the lock.
    Store(Box<Setup>),
}

impl Admin {
    pub(super) async fn open(config: &Config) -> Result<Self, AdminError> {
        let mut waited = Duration::ZERO;
        loop {
            match Setup::open(config) {
                Ok(setup) => return Ok(Self::direct(config, setup)),
                Err(SetupError::DataDir(DataDirError::InUse { run: Some(run), .. })) => {
                    return Self::through(config, &run);
                }
                Err(SetupError::DataDir(DataDirError::InUse { .. })) if waited < START_WAIT => {
                    sleep(START_POLL).await;
                    waited += START_POLL;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn direct(config: &Config, setup: Setup) -> Self {
        if setup.first_token.is_some() {
            say(format_args!(
                "There was no Nexus in {}: this is a new one (another is named with --data). The token of its \
                 first operator is in {}",
                setup.data.path().display(),
                setup.data.operator_token().display()
            ));
        }
        if let Some(token) = &setup.setup_token {
            say(format_args!("Its setup token, good once from a browser or another machine: {token}"));
        }
        let nexus = NexusCa { nexus_id: setup.keys.nexus_id, ca_pem: setup.keys.ca_pem.clone() };
        let url = config.url();
        Self { way: Way::Store(Box::new(setup)), nexus, url }
    }

    fn through(config: &Config, run: &RunFile) -> Result<Self, AdminError> {
        let data = DataDir::open(&config.data)?;
        let token = data.read(TOKEN_FILE)?.ok_or_else(|| AdminError::NoToken(data.operator_token()))?;
        let (keys, _) = NexusKeys::open(&data, crate::edge::seconds())?;
        let endpoint = Endpoint::new(&run.url, Some(&keys.ca_pem), Some(keys.nexus_id))?;
        let broker = Broker::new(endpoint, Credential::Token(token.trim().into()));
        let url = config.public_url.clone().unwrap_or_else(|| run.url.clone());
        let nexus = NexusCa { nexus_id: keys.nexus_id, ca_pem: keys.ca_pem };
        Ok(Self { way: Way::Broker(broker), nexus, url })
    }

    pub(super) async fn add_aspect(&mut self, add: AspectAdd) -> Result<AspectKey, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => Ok(broker.post_json("/api/v1/aspects", &add).await?),
            Way::Store(setup) => apply(setup, CommandBody::AddAspect { by: Party::System, add }),
        }
    }

    pub(super) async fn revoke_aspect(&mut self, name: AspectName) -> Result<AspectKey, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => Ok(broker.delete_json(&format!("/api/v1/aspects/{name}")).await?),
            Way::Store(setup) => apply(setup, CommandBody::RevokeAspect { by: Party::System, name }),
        }
    }

    pub(super) async fn rotate_key(
        &mut self,
        name: &AspectName,
        rotate: KeyRotate,
    ) -> Result<KeyRotated, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => {
                Ok(broker.post_json(&format!("/api/v1/aspects/{name}/rotate"), &rotate).await?)
            }
            Way::Store(setup) => {
                let public_key = public_key(&rotate.public_key).map_err(AdminError::Refused)?;
                let overlap_ms = Ms::try_from(rotate.overlap_s.saturating_mul(1_000)).unwrap_or(Ms::MAX);
                access(setup, Access::RotateKey { aspect: name.clone(), public_key, overlap_ms })
            }
        }
    }

    pub(super) async fn aspects(&self) -> Result<Vec<AspectInfo>, AdminError> {
        match &self.way {
            Way::Broker(broker) => Ok(broker.get_json::<Team>("/api/v1/aspects").await?.aspects),
            Way::Store(setup) => {
                let offline = |record: &AspectRecord| AspectInfo {
                    state: nexus_wire::roster::AspectState::Offline,
                    ..record.info()
                };
                Ok(setup.hub.roster().active().map(offline).collect())
            }
        }
    }
}

fn access<T: DeserializeOwned>(setup: &mut Setup, act: Access) -> Result<T, AdminError> {
    apply(setup, CommandBody::Access { by: Party::System, act })
}

fn apply<T: DeserializeOwned>(setup: &mut Setup, body: CommandBody) -> Result<T, AdminError> {
    let json = match setup.apply(body)? {
        FromBroker::Ok(json) => json,
        FromBroker::Deliver(_)
        | FromBroker::Error(_)
        | FromBroker::Gap(_)
        | FromBroker::Log(_)
        | FromBroker::ChatReacted(_)
        | FromBroker::Observe(_)
        | FromBroker::ObserveGap(_)
        | FromBroker::Activity(_)
        | FromBroker::Registered(_)
        | FromBroker::RosterChanged(_)
        | FromBroker::SessionAsk(_)
        | FromBroker::Shutdown(_)
        | FromBroker::SpendingChanged(_) => Json::default(),
    };
    Ok(json.parse()?)
}
