//! Inviting people, and how whoever was invited comes in.

use aide::axum::ApiRouter;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use nexus_wire::OperatorName;
use nexus_wire::access::{
    InvitationAccept, InvitationAccepted, InvitationAdd, InvitationInfo, InvitationMade, Invitations,
};
use nexus_wire::limits::INVITATION_TTL;
use nexus_wire::{Ms, Party};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Answered};
use super::caller::{Admin, Viewer, admits, refused};
use super::input::{Body, Path};
use super::openapi::{Group, doc, doc_with, failing};
use super::people::unexpected;
use super::routing::{delete_with, get_with, post_with};
use super::{Remote, Routes, Shared, command};
use crate::hub::records::Invitation;
use crate::hub::{Access, CommandBody};
use crate::identity::{AuthError, password, token};

pub(super) fn routes() -> Routes {
    let group = Group::Operators;
    let list = doc("listInvitations", group, "Who may come in and has not yet");
    let example = json!({"name": "ana", "role": "viewer", "expires_in_s": 259_200});
    let summary = "Invite a person; the answer shows the link once, and an earlier one is void";
    let add = doc_with("addInvitation", group, summary, example);
    let revoke = doc("revokeInvitation", group, "Take an invitation back; its link is good no more");
    let example = json!({"token": "nxinvite_…", "password": "correct horse battery staple"});
    let summary = "Accept an invitation with a password of one's own, once";
    let accept = doc_with("acceptInvitation", group, summary, example);
    ApiRouter::new()
        .api_route("/api/v1/invitations", get_with(invitations, list).merge(post_with(invite, add)))
        .api_route("/api/v1/invitations/accept", post_with(accept_with, failing(&[401, 429], accept)))
        .api_route("/api/v1/invitations/{name}", delete_with(revoke_invitation, revoke))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByName {
    name: OperatorName,
}

async fn invitations(State(edge): Shared, Viewer(caller): Viewer) -> Answered<Invitations> {
    tracing::debug!(by = %caller.party, "asked who is invited");
    let at = edge.now();
    let invitations =
        edge.ask(move |hub| hub.doors().invitations(at).map(Invitation::info).collect()).await?;
    Ok(Answer::of(&Invitations { invitations }))
}

async fn invite(
    State(edge): Shared,
    admin: Admin,
    headers: HeaderMap,
    body: Body<InvitationAdd>,
) -> Answered<InvitationMade> {
    let InvitationAdd { name, role, expires_in_s } = body.value;
    let seconds = expires_in_s.unwrap_or(INVITATION_TTL.as_secs());
    let lifetime_ms = Ms::try_from(seconds.saturating_mul(1_000)).unwrap_or(Ms::MAX);
    let token = token::mint_with(token::INVITATION_PREFIX);
    let act = Access::Invite { name, role, sha256: token::digest(&token), lifetime_ms };
    let invited = edge.call(CommandBody::Access { by: admin.party(), act }, 0).await?;
    let invitation: InvitationInfo = invited.parse().map_err(unexpected)?;
    // The guard has refused whoever calls us by another's name.
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let link = token::invitation_link(&edge.hosts.origin(host), &token);
    Ok(Answer::of(&InvitationMade { invitation, token, link }))
}

async fn revoke_invitation(
    State(edge): Shared,
    admin: Admin,
    Path(by): Path<ByName>,
) -> Answered<InvitationInfo> {
    let act = Access::RevokeInvitation { name: by.name };
    command(&edge, CommandBody::Access { by: admin.party(), act }).await
}

async fn accept_with(
    State(edge): Shared,
    Extension(remote): Extension<Remote>,
    body: Body<InvitationAccept>,
) -> Answered<InvitationAccepted> {
    let InvitationAccept { token, password } = body.value;
    admits(&edge, remote)?;
    let sha256 = token::digest(&token);
    let at = edge.now();
    let good = edge.ask(move |hub| hub.doors().invitations(at).any(|it| it.sha256 == sha256));
    // Before the password is hashed: strangers cost nothing.
    if !good.await? {
        return Err(refused(&edge, remote, &AuthError::Invitation));
    }
    password::acceptable(&password)?;
    let password_hash = edge.gate.passwords().hash(password).await.map_err(|error| error.to_body())?;
    command(
        &edge,
        CommandBody::Access { by: Party::System, act: Access::AcceptInvitation { sha256, password_hash } },
    )
    .await
}
