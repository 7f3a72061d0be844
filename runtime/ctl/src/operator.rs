//! `nexctl operator`: people who are let in, from afar.

use nexus_client::Broker;
use nexus_wire::OperatorName;
use nexus_wire::access::{
    InvitationAdd, InvitationInfo, InvitationMade, PasswordSet, SessionInfo, TokenAdd, TokenInfo, TokenList,
    TokenMade,
};
use nexus_wire::admin::{OperatorAdd, OperatorInfo, OperatorRoleSet, Operators};
use nexus_wire::audit::AuditEntry;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::cli::{OperatorAction, TokenAction};
use crate::failure::Failure;
use crate::page::Page;
use crate::{Run, describe, table};

use crate::ui::{Shape, Tone};
use crate::vault::asked;

pub(crate) async fn operator(run: &Run, action: OperatorAction) -> Result<(), Failure> {
    let broker = run.broker()?;
    match action {
        OperatorAction::Add { name, role } => {
            let token = made_token();
            let token_sha256 = format!("{:x}", Sha256::digest(token.as_bytes()));
            let add = OperatorAdd { name, role: role.into(), token_sha256 };
            run.rehearse("POST /api/v1/operators", &add)?;
            let info: OperatorInfo = run.within(broker.post_json("/api/v1/operators", &add)).await??;
            let role = table::role(info.role);
            shown_once(
                run,
                &json!({"operator": info, "token": token}),
                &token,
                &format!("{} is {role}; this token lets them in and", info.name),
            )
        }
        OperatorAction::Invite { name, role, expires } => {
            let add = InvitationAdd { name, role: role.into(), expires_in_s: expires.map(|it| it.as_secs()) };
            run.rehearse("POST /api/v1/invitations", &add)?;
            let made: InvitationMade = run.within(broker.post_json("/api/v1/invitations", &add)).await??;
            let what =
                format!("{} is invited as {}", made.invitation.name, table::role(made.invitation.role));
            let value = serde_json::to_value(&made).unwrap_or_default();
            shown_once(
                run,
                &value,
                &made.link,
                &format!("{what}; whoever opens this link chooses their password, and it"),
            )
        }
        OperatorAction::List => run.within(list(run, &broker, None)).await??.print(run),
        OperatorAction::Passwd { name } => passwd(run, &broker, name).await,
        OperatorAction::Role { name, role } => {
            let path = format!("/api/v1/operators/{name}/role");
            let set = OperatorRoleSet { role: role.into() };
            run.rehearse(&format!("PUT {path}"), &set)?;
            let info: OperatorInfo = run.within(broker.put_json(&path, &set)).await??;
            run.answer(&info, || format!("{name} is {} now", table::role(info.role)))
        }
        OperatorAction::Revoke { name } => {
            let path = format!("/api/v1/operators/{name}");
            run.rehearse(&format!("DELETE {path}"), &json!({}))?;
            let all: Operators = run.within(broker.get_json("/api/v1/operators")).await??;
            if all.invitations.iter().any(|it| it.name == name) {
                let path = format!("/api/v1/invitations/{name}");
                let info: InvitationInfo = run.within(broker.delete_json(&path)).await??;
                return run.answer(&info, || format!("{name} is invited no more"));
            }
            let info: OperatorInfo = run.within(broker.delete_json(&path)).await??;
            run.answer(&info, || {
                format!("{name} is shut out: their tokens are good no more, their links closed")
            })
        }
        OperatorAction::Token(action) => token(run, &broker, action).await,
    }
}

/// Random enough that nobody guesses it; the broker is told its digest only.
fn made_token() -> String {
    format!("nxo_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// What cannot be had again.
fn shown_once(run: &Run, value: &serde_json::Value, secret: &str, what: &str) -> Result<(), Failure> {
    match run.ui.shape() {
        Shape::Data => run.ui.data(value),
        Shape::Text => {
            run.ui.note(Tone::Plain, &format!("{what} is shown once:"));
            run.ui.result_line(secret)
        }
    }
}

pub(crate) async fn list(run: &Run, broker: &Broker, name: Option<&OperatorName>) -> Result<Page, Failure> {
    let mut all: Operators = broker.get_json("/api/v1/operators").await?;
    if let Some(name) = name {
        all.operators.retain(|info| info.name == *name);
        all.invitations.retain(|info| info.name == *name);
        if all.operators.is_empty() && all.invitations.is_empty() {
            let message = format!("there is no operator {name}; see: nexctl get operators");
            return Err(Failure::Failed(message));
        }
    }
    let empty = (all.operators.is_empty() && all.invitations.is_empty()).then_some("nobody was let in yet");
    Page::of(run, &all, empty, || table::operators(&run.ui, &all, run.now()))
}

async fn passwd(run: &Run, broker: &Broker, name: OperatorName) -> Result<(), Failure> {
    let path = format!("/api/v1/operators/{name}/password");
    run.rehearse(&format!("PUT {path}"), &json!({"password": "…"}))?;
    let me: SessionInfo = run.within(broker.get_json("/api/v1/session")).await??;
    let all: Operators = run.within(broker.get_json("/api/v1/operators")).await??;
    let has_one = all.operators.iter().any(|info| info.name == name && info.has_password);
    // Who changes their own proves that they know it; an admin sets somebody else's.
    let current = (me.operator == name && has_one).then(|| asked("Password so far: ")).transpose()?;
    let set = PasswordSet { current, password: asked("New password: ")? };
    let info: OperatorInfo = run.within(broker.put_json(&path, &set)).await??;
    run.answer(&info, || format!("{name} has a new password; their sessions in browsers have ended"))
}

async fn token(run: &Run, broker: &Broker, action: TokenAction) -> Result<(), Failure> {
    match action {
        TokenAction::Add { operator, name, expires } => {
            let path = format!("/api/v1/operators/{operator}/tokens");
            let add = TokenAdd { name, token_sha256: None, expires_in_s: expires.map(|it| it.as_secs()) };
            run.rehearse(&format!("POST {path}"), &add)?;
            let made: TokenMade = run.within(broker.post_json(&path, &add)).await??;
            let value = serde_json::to_value(&made).unwrap_or_default();
            let what = format!("{operator} has a token {}; this token lets them in and", add.name);
            shown_once(run, &value, &made.token.unwrap_or_default(), &what)
        }
        TokenAction::List { operator } => {
            let list: TokenList =
                run.within(broker.get_json(&format!("/api/v1/operators/{operator}/tokens"))).await??;
            let empty =
                list.tokens.is_empty().then_some("no tokens; make one with: nexctl operator token add");
            Page::of(run, &list, empty, || table::tokens(&run.ui, &list.tokens, run.now()))?.print(run)
        }
        TokenAction::Revoke { operator, name } => {
            let path = format!("/api/v1/operators/{operator}/tokens/{name}");
            run.rehearse(&format!("DELETE {path}"), &json!({}))?;
            let info: TokenInfo = run.within(broker.delete_json(&path)).await??;
            run.answer(&info, || format!("the token {name} of {operator} is good no more"))
        }
    }
}

/// One person, with what they did last.
pub(crate) async fn one(
    run: &Run,
    broker: &Broker,
    name: &OperatorName,
    did: &[AuditEntry],
) -> Result<Page, Failure> {
    let all: Operators = broker.get_json("/api/v1/operators").await?;
    let found = all.operators.iter().find(|info| info.name == *name);
    let missing = || Failure::Failed(format!("there is no operator {name}; see: nexctl get operators"));
    describe::operator_page(run, found.ok_or_else(missing)?, did)
}
