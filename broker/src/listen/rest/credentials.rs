//! Credentials for services outside: kept, listed and replaced by admins, fetched by aspects that may.

use std::sync::Arc;

use aide::axum::ApiRouter;
use axum::extract::State;
use nexus_wire::credential::{
    CredentialAdd, CredentialAllow, CredentialInfo, CredentialList, CredentialRotate, CredentialSecret,
};
use nexus_wire::{CredentialName, ErrorBody, ErrorCode, Party};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::{Admin, AnyParty, Viewer};
use super::input::{Body, Path};
use super::openapi::{Group, doc, doc_with, failing};
use super::routing::{delete_with, get_with, post_with, put_with};
use super::{Routes, Shared, command};
use crate::edge::Edge;
use crate::hub::records::{CredentialRecord, CredentialTerms};
use crate::hub::{Access, CommandBody, Note};
use crate::identity::terms;

pub(super) fn routes() -> Routes {
    let group = Group::Credentials;
    let example = json!({
        "name": "anthropic", "kind": "provider", "base_url": "https://api.anthropic.com", "header": "x-api-key",
        "allowed_aspects": ["wren"], "secret": "sk-…",
    });
    let list = doc("listCredentials", group, "Every credential, without its secret");
    let add = doc_with(
        "addCredential",
        group,
        "Keep a secret for a service outside, or replace all of it",
        example,
    );
    let summary = "Say who may use a credential; its secret stays as it is";
    let allow = doc_with("allowCredential", group, summary, json!({"allowed_aspects": ["forge", "wren"]}));
    let get = doc("getCredential", group, "One credential, without its secret");
    let remove = doc("removeCredential", group, "Forget a credential");
    let rotate = doc_with("rotateCredential", group, "Replace the secret", json!({"secret": "sk-…"}));
    let fetch = doc("fetchCredential", group, "The secret itself, for an aspect that may fetch it");
    // What asks models is not handed out while nothing may be spent.
    let fetch = failing(&[402], fetch);
    ApiRouter::new()
        .api_route("/api/v1/credentials", get_with(credentials, list).merge(post_with(add_credential, add)))
        .api_route(
            "/api/v1/credentials/{name}",
            get_with(credential, get).merge(delete_with(remove_credential, remove)),
        )
        .api_route("/api/v1/credentials/{name}/allowed", put_with(allow_credential, allow))
        .api_route(
            "/api/v1/credentials/{name}/secret",
            get_with(fetch_secret, fetch).merge(put_with(rotate_secret, rotate)),
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByName {
    name: CredentialName,
}

pub(super) fn unknown(name: &CredentialName) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("there is no credential {name} for you"))
}

async fn credentials(State(edge): Shared, _: Viewer) -> Answered<CredentialList> {
    let credentials = edge.ask(|hub| hub.doors().credentials().map(CredentialRecord::info).collect()).await?;
    Ok(Answer::of(&CredentialList { credentials }))
}

async fn credential(State(edge): Shared, _: Viewer, Path(by): Path<ByName>) -> Answered<CredentialInfo> {
    let record = edge.published.directory.credential(&by.name).ok_or_else(|| unknown(&by.name))?;
    Ok(Answer::of(&record.info()))
}

async fn add_credential(
    State(edge): Shared,
    admin: Admin,
    body: Body<CredentialAdd>,
) -> Answered<CredentialInfo> {
    let (name, terms, secret) = terms::checked(body.value)?;
    let sealed = edge.sealer.seal(&name, &terms, &secret).map_err(|error| sealing(&error))?;
    let act = Access::PutCredential { name, terms, sealed };
    command(&edge, CommandBody::Access { by: admin.party(), act }).await
}

async fn allow_credential(
    State(edge): Shared,
    admin: Admin,
    Path(by): Path<ByName>,
    body: Body<CredentialAllow>,
) -> Answered<CredentialInfo> {
    let allowed_aspects = terms::allowed(body.value.allowed_aspects)?;
    let record = edge.published.directory.credential(&by.name).ok_or_else(|| unknown(&by.name))?;
    let terms = CredentialTerms { allowed_aspects, ..record.terms.clone() };
    let secret = edge.sealer.open(&record).map_err(|error| sealing(&error))?;
    let sealed = edge.sealer.seal(&by.name, &terms, &secret).map_err(|error| sealing(&error))?;
    let act = Access::ChangeCredential { name: by.name, terms, sealed, was: record.sealed.clone() };
    command(&edge, CommandBody::Access { by: admin.party(), act }).await
}

async fn rotate_secret(
    State(edge): Shared,
    admin: Admin,
    Path(by): Path<ByName>,
    body: Body<CredentialRotate>,
) -> Answered<CredentialInfo> {
    terms::secret_fits(&body.value.secret)?;
    let record = edge.published.directory.credential(&by.name).ok_or_else(|| unknown(&by.name))?;
    let sealed =
        edge.sealer.seal(&by.name, &record.terms, &body.value.secret).map_err(|error| sealing(&error))?;
    let act = Access::RotateCredential { name: by.name, terms: record.terms.clone(), sealed };
    command(&edge, CommandBody::Access { by: admin.party(), act }).await
}

async fn remove_credential(
    State(edge): Shared,
    admin: Admin,
    Path(by): Path<ByName>,
) -> Answered<CredentialInfo> {
    let act = Access::RemoveCredential { name: by.name };
    command(&edge, CommandBody::Access { by: admin.party(), act }).await
}

async fn fetch_secret(
    State(edge): Shared,
    caller: AnyParty,
    Path(by): Path<ByName>,
) -> Answered<CredentialSecret> {
    let party = caller.0.party;
    let record = usable(&edge, &party, &by.name)?;
    if !record.terms.mode.is_fetched() {
        let message = format!("credential {} is not handed out; use it through the proxy", by.name);
        refuse(&edge, &party, &by.name, "fetch");
        return Err(ErrorBody::new(ErrorCode::Forbidden, message).into());
    }
    if record.terms.kind.asks_models() {
        edge.may_spend()
            .inspect_err(|_| refuse(&edge, &party, &by.name, "fetch while spending is stopped"))?;
    }
    let secret = edge.sealer.open(&record).map_err(|error| sealing(&error))?.to_string();
    used(&edge, &party, "credential.fetched", by.name.to_string()).await?;
    Ok(Answer::of(&CredentialSecret { name: by.name, secret }))
}

/// The credential, if this aspect may use it; one it may not is as if it were not there.
pub(super) fn usable(
    edge: &Edge,
    party: &Party,
    name: &CredentialName,
) -> Result<Arc<CredentialRecord>, ErrorBody> {
    let found = edge.published.directory.credential(name);
    let may = |record: &Arc<CredentialRecord>| {
        party.aspect().is_some_and(|aspect| record.terms.allowed_aspects.contains(aspect))
    };
    found.filter(may).ok_or_else(|| {
        refuse(edge, party, name, "use");
        unknown(name)
    })
}

pub(super) fn refuse(edge: &Edge, party: &Party, name: &CredentialName, what: &str) {
    let subject = format!("{what} of credential {name}");
    edge.trail.add(Note { actor: party.clone(), kind: "refused.credential_use", subject }, edge.now());
}

/// In the log before it happens.
pub(super) async fn used(
    edge: &Edge,
    party: &Party,
    kind: &'static str,
    subject: String,
) -> Result<(), ErrorBody> {
    let note = Note { actor: party.clone(), kind, subject };
    let act = Access::Note(vec![note]);
    edge.call(CommandBody::Access { by: party.clone(), act }, 0).await?;
    Ok(())
}

/// What is wrong with the key file is for the operator who reads the log; who asked learns that it is broken.
pub(super) fn sealing(error: &crate::identity::seal::SealError) -> ErrorBody {
    tracing::error!(%error, "cannot use a credential");
    ErrorBody::new(ErrorCode::Internal, error.to_string())
}
