//! A broker as seen from here: an endpoint, and what we prove ourselves with. Makes access tokens, HTTP requests
//! and links.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use nexus_wire::admin::{GRANT_JWT_BEARER, NexusInfo, TokenRequest, TokenResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::credential::{Credential, assertion};
use crate::endpoint::{Endpoint, EndpointError};
use crate::error::{DialError, DialErrorKind};
use crate::http::{Answer, Bounds, Content, exchange, wall};
use crate::keyfile::KeyFile;
use crate::link::{Link, Pushes};
use crate::secret::Secret;

/// An access token this close to its end is replaced.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// Cheap to clone; clones share the access token.
#[derive(Clone, Debug)]
pub struct Broker {
    endpoint: Endpoint,
    credential: Credential,
    access: Arc<Mutex<Option<Access>>>,
}

#[derive(Clone, Debug)]
struct Access {
    token: Secret,
    until: Instant,
}

impl Broker {
    pub fn new(endpoint: Endpoint, credential: Credential) -> Self {
        Self { endpoint, credential, access: Arc::default() }
    }

    /// The broker that `keyfile` names, reached as its aspect.
    pub fn of_keyfile(keyfile: KeyFile) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::new(&keyfile.url, keyfile.ca_pem.as_deref(), Some(keyfile.nexus_id))?;
        Ok(Self::new(endpoint, Credential::Key(Box::new(keyfile))))
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
        let keyfile = match &self.credential {
            Credential::Token(token) => return Ok(token.clone()),
            Credential::Key(keyfile) => keyfile,
        };
        // Held over the request on purpose: whoever comes second finds the first one's token.
        let mut kept = self.access.lock().await;
        if let Some(access) = kept.as_ref().filter(|access| access.until > Instant::now()) {
            return Ok(access.token.clone());
        }
        let fresh = self.request_token(keyfile).await.map_err(|kind| match kind {
            TokenError::Dial(error) => error,
            TokenError::Kind(kind) => self.endpoint.error(kind),
        })?;
        let lifetime = Duration::from_secs(fresh.expires_in).saturating_sub(TOKEN_MARGIN);
        let access = Access { token: fresh.access_token.into(), until: Instant::now() + lifetime };
        let token = access.token.clone();
        *kept = Some(access);
        Ok(token)
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
