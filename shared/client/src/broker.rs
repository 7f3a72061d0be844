//! A broker as seen from here: an endpoint, and what we prove ourselves with. Makes access tokens, HTTP requests
//! and links.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::Method;
use nexus_wire::AspectName;
use nexus_wire::admin::{GRANT_JWT_BEARER, NexusInfo, TokenRequest, TokenResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::credential::{Credential, assertion};
use crate::endpoint::{Endpoint, EndpointError};
use crate::error::{DialError, DialErrorKind};
use crate::http::{Answer, Bounds, Content, exchange, wall};
use crate::keyfile::{KeyFile, KeyFileError};
use crate::link::{Link, Pushes};
use crate::secret::Secret;

/// An access token this close to its end is replaced.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// How long a key that was refused is looked for a new one of: the broker knows it before its file is written.
const KEY_WAIT: Duration = Duration::from_secs(3);
const KEY_POLL: Duration = Duration::from_millis(100);

/// Cheap to clone; clones share the credential and the access token.
#[derive(Clone, Debug)]
pub struct Broker {
    endpoint: Endpoint,
    credential: Arc<RwLock<Credential>>,
    /// Where the key came from, and a new one may come from.
    key_path: Option<Arc<Path>>,
    renewals: Arc<AtomicU64>,
    access: Arc<Mutex<Option<Access>>>,
}

/// What a look at the keyfile found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewal {
    Same,
    /// In use from now on.
    New,
    /// It is for another Nexus, another aspect or another address, and is not used.
    Elsewhere,
}

#[derive(Clone, Debug)]
struct Access {
    token: Secret,
    until: Instant,
}

impl Broker {
    pub fn new(endpoint: Endpoint, credential: Credential) -> Self {
        Self {
            endpoint,
            credential: Arc::new(RwLock::new(credential)),
            key_path: None,
            renewals: Arc::default(),
            access: Arc::default(),
        }
    }

    /// The broker that `keyfile` names, reached as its aspect.
    pub fn of_keyfile(keyfile: KeyFile) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::new(&keyfile.url, keyfile.ca_pem.as_deref(), Some(keyfile.nexus_id))?;
        Ok(Self::new(endpoint, Credential::Key(Box::new(keyfile))))
    }

    /// The same; a new key is looked for at `path`.
    #[must_use]
    pub fn renewed_from(self, path: PathBuf) -> Self {
        Self { key_path: Some(path.into()), ..self }
    }

    /// Looks at the keyfile, and takes a new key from it.
    pub async fn renew_key(&self) -> Result<Renewal, KeyFileError> {
        let Some(path) = &self.key_path else { return Ok(Renewal::Same) };
        let found = KeyFile::load(path)?;
        {
            let mut credential = self.credential.write().unwrap_or_else(PoisonError::into_inner);
            match &*credential {
                Credential::Key(key) if **key == found => return Ok(Renewal::Same),
                Credential::Key(key) if !key.is_for_the_same_as(&found) => return Ok(Renewal::Elsewhere),
                Credential::Key(_) | Credential::Token(_) => {}
            }
            *credential = Credential::Key(Box::new(found));
            self.renewals.fetch_add(1, Ordering::Relaxed);
        }
        self.access.lock().await.take();
        Ok(Renewal::New)
    }

    /// How often the key was replaced so far.
    pub(crate) fn renewals(&self) -> u64 {
        self.renewals.load(Ordering::Relaxed)
    }

    /// Waits a moment for a key in the place of one that was refused, which was the key after `renewals`. Somebody
    /// else may have taken a new one up by now.
    pub(crate) async fn await_new_key(&self, renewals: u64) -> bool {
        if self.key_path.is_none() {
            return false;
        }
        let until = Instant::now() + KEY_WAIT;
        while Instant::now() < until {
            if self.renewals() != renewals || matches!(self.renew_key().await, Ok(Renewal::New)) {
                return true;
            }
            tokio::time::sleep(KEY_POLL).await;
        }
        false
    }

    /// The aspect whose key it is reached with.
    pub fn aspect(&self) -> Option<AspectName> {
        match self.credential() {
            Credential::Key(keyfile) => Some(keyfile.name),
            Credential::Token(_) => None,
        }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// `GET /api/v1/nexus`, which needs no credential.
    pub async fn info(&self) -> Result<NexusInfo, DialError> {
        let answer =
            exchange(&self.endpoint, (Method::GET, "/api/v1/nexus"), None, None, Bounds::default()).await?;
        answer.json("the Nexus").map_err(|kind| self.endpoint.error(kind))
    }

    /// `GET` of a path like `/api/v1/aspects`.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, DialError> {
        self.json(Method::GET, path, None::<&()>).await
    }

    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, DialError> {
        self.json(Method::POST, path, Some(body)).await
    }

    /// `POST` of what needs no credential, such as a password that is to become one.
    pub async fn post_open<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, DialError> {
        let content = Content::json(body).map_err(|kind| self.endpoint.error(kind))?;
        let answer =
            exchange(&self.endpoint, (Method::POST, path), None, Some(content), Bounds::default()).await?;
        answer.json("an answer").map_err(|kind| self.endpoint.error(kind))
    }

    /// As [`Self::post_json`], for what takes long.
    pub async fn post_json_within<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        patience: Duration,
    ) -> Result<T, DialError> {
        let content = Content::json(body).map_err(|kind| self.endpoint.error(kind))?;
        let bounds = Bounds { patience, ..Bounds::default() };
        let answer = self.ask((Method::POST, path), Some(content), bounds).await?;
        answer.json("an answer").map_err(|kind| self.endpoint.error(kind))
    }

    pub async fn put_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, DialError> {
        self.json(Method::PUT, path, Some(body)).await
    }

    pub async fn delete_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, DialError> {
        self.json(Method::DELETE, path, None::<&()>).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, DialError> {
        let content = body.map(Content::json).transpose().map_err(|kind| self.endpoint.error(kind))?;
        let answer = self.ask((method, path), content, Bounds::default()).await?;
        answer.json("an answer").map_err(|kind| self.endpoint.error(kind))
    }

    /// An answer that is a success.
    pub(crate) async fn ask(
        &self,
        what: (Method, &str),
        content: Option<Content>,
        bounds: Bounds,
    ) -> Result<Answer, DialError> {
        let attempt = async || {
            let bearer = self.bearer().await?;
            let what = (what.0.clone(), what.1);
            let answer = exchange(&self.endpoint, what, Some(&bearer), content.clone(), bounds).await?;
            answer.bytes().map_err(|kind| self.endpoint.error(kind))?;
            Ok(answer)
        };
        match attempt().await {
            Err(error) if self.forget_stale(&error).await => attempt().await,
            outcome => outcome,
        }
    }

    /// Opens a link. The caller says on it who it is: `register` or `subscribe`.
    pub async fn connect(&self) -> Result<(Link, Pushes), DialError> {
        match self.upgrade().await {
            Err(error) if self.forget_stale(&error).await => self.upgrade().await,
            outcome => outcome,
        }
    }

    async fn upgrade(&self) -> Result<(Link, Pushes), DialError> {
        let bearer = self.bearer().await?;
        Link::open(&self.endpoint, &bearer).await
    }

    /// A kept access token may have been made void since, by a rotated key; a fresh one tells.
    async fn forget_stale(&self, error: &DialError) -> bool {
        matches!(error.kind, DialErrorKind::Unauthorized { .. }) && self.access.lock().await.take().is_some()
    }

    /// What stands behind `Authorization: Bearer`.
    pub async fn bearer(&self) -> Result<Secret, DialError> {
        if let Credential::Token(token) = self.credential() {
            return Ok(token);
        }
        // Held over the request on purpose: whoever comes second finds the first one's token.
        let mut kept = self.access.lock().await;
        let keyfile = match self.credential() {
            Credential::Token(token) => return Ok(token),
            Credential::Key(keyfile) => keyfile,
        };
        if let Some(access) = kept.as_ref().filter(|access| access.until > Instant::now()) {
            return Ok(access.token.clone());
        }
        let fresh = self.request_token(&keyfile).await.map_err(|kind| match kind {
            TokenError::Dial(error) => error,
            TokenError::Kind(kind) => self.endpoint.error(kind),
        })?;
        let lifetime = Duration::from_secs(fresh.expires_in).saturating_sub(TOKEN_MARGIN);
        let access = Access { token: fresh.access_token.into(), until: Instant::now() + lifetime };
        let token = access.token.clone();
        *kept = Some(access);
        Ok(token)
    }

    fn credential(&self) -> Credential {
        self.credential.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn request_token(&self, keyfile: &KeyFile) -> Result<TokenResponse, TokenError> {
        let assertion = assertion(keyfile, wall()).map_err(DialErrorKind::from)?;
        let request = TokenRequest {
            grant_type: GRANT_JWT_BEARER.to_owned(),
            assertion: assertion.expose().to_owned(),
        };
        let content = Content::json(&request)?;
        let what = (Method::POST, "/api/v1/token");
        let answer = exchange(&self.endpoint, what, None, Some(content), Bounds::default()).await?;
        Ok(answer.json("an access token")?)
    }
}

#[derive(Debug)]
enum TokenError {
    Dial(DialError),
    Kind(DialErrorKind),
}

impl From<DialError> for TokenError {
    fn from(error: DialError) -> Self {
        Self::Dial(error)
    }
}

impl From<DialErrorKind> for TokenError {
    fn from(kind: DialErrorKind) -> Self {
        Self::Kind(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeyFile {
        let name = "wren".parse().expect("a name");
        KeyFile::generate(name, uuid::Uuid::from_u128(7), "http://127.0.0.1:1".into(), None).expect("made")
    }

    #[tokio::test]
    async fn a_refused_key_is_replaced_also_when_somebody_else_saw_the_new_one_first() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("key.json");
        let broker = Broker::of_keyfile(key()).expect("an address").renewed_from(path.clone());
        let before = broker.renewals();
        key().save(&path).expect("written");
        assert_eq!(broker.renew_key().await.expect("reads"), Renewal::New);
        assert_eq!(broker.renew_key().await.expect("reads"), Renewal::Same);
        assert!(broker.await_new_key(before).await);
        assert!(!broker.await_new_key(broker.renewals()).await, "nothing came after it");
    }
}
