//! Push notifications: where a client wants to be told of a task. What it says is checked here and kept by the hub;
//! [`tell`] is who tells.

mod notice;
mod tell;

use a2a::{
    AuthenticationInfo, DeleteTaskPushNotificationConfigRequest, GetTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigsResponse, TaskPushNotificationConfig, error_code,
};
use axum::http::HeaderValue;
use nexus_outbound::{Allowed, Outbound};
use nexus_wire::limits::{PUSH_ID_BYTES_MAX, PUSH_SECRET_BYTES_MAX, PUSH_URL_BYTES_MAX};
use nexus_wire::{ErrorBody, ErrorCode, Party};
use serde_json::{Value, json};
use uuid::Uuid;

use super::door::Door;
use super::fault::Fault;
use crate::config::PushSettings;
use crate::hub::records::{PushKey, PushRecord, PushTerms};
use crate::hub::{CommandBody, Push};
use crate::identity::Role;
use notice::Secrets;
pub(crate) use tell::tell;

const USER_AGENT: &str = concat!("nexus/", env!("CARGO_PKG_VERSION"));

/// How clients are told.
#[derive(Debug)]
pub(crate) struct Pushing {
    pub(crate) outbound: Outbound,
    /// As often is something tried before it is given up.
    pub(crate) tries: u32,
}

impl Pushing {
    pub(crate) fn new(settings: PushSettings) -> Self {
        nexus_client::install_crypto();
        let PushSettings { allow, tries } = settings;
        let outbound = Outbound::new(USER_AGENT).encrypted().allowing(Allowed::new(allow));
        Self { outbound, tries }
    }
}

/// For people who may act: an aspect has its inbox.
fn may(door: &Door, act: &str) -> Result<(), Fault> {
    let caller = door.caller();
    let message = match caller.role {
        Role::Operator | Role::Admin => return Ok(()),
        Role::Viewer => format!("{} may look and not act; an admin can give the role operator", caller.party),
        Role::Aspect => "push notifications are for operators; an aspect has its inbox".to_owned(),
    };
    door.edge().forbidden(&caller.party, format!("a2a.{act}"));
    Err(ErrorBody::new(ErrorCode::Forbidden, message).into())
}

/// Whether it could be set for a task of the caller's.
pub(super) async fn check(door: &Door, config: &TaskPushNotificationConfig) -> Result<(), Fault> {
    may(door, "push.set")?;
    Secrets::of(config)?;
    id_of(config, &Uuid::nil())?;
    address(&door.edge().pushing.outbound, &config.url).await.map(drop)
}

/// Keeps what a client wants; what is kept, without its secrets.
pub(super) async fn set(door: &Door, config: TaskPushNotificationConfig) -> Result<Value, Fault> {
    may(door, "push.set")?;
    let source = door.source(&config.task_id).await?;
    let task = uuid(&source.id())?;
    let key = PushKey { task, owner: door.caller().party.clone(), id: id_of(&config, &task)? };
    let secrets = Secrets::of(&config)?;
    let terms = PushTerms {
        credential: door.caller().key_generation,
        of: door.of().to_string(),
        origin: door.origin().to_owned(),
        url: address(&door.edge().pushing.outbound, &config.url).await?,
        scheme: config.authentication.map(|it| it.scheme),
    };
    let sealed = notice::seal(door.edge(), &key, &terms, &secrets)?;
    let shown = shown(&key, &terms);
    door.edge().call(CommandBody::Push(Push::Set { key, terms, sealed }), 0).await?;
    Ok(shown)
}

pub(super) async fn get(door: &Door, asked: GetTaskPushNotificationConfigRequest) -> Result<Value, Fault> {
    may(door, "push.get")?;
    let found = of_task(door, &asked.task_id).await?;
    let found = found.iter().find(|(key, _)| key.id == asked.id).map(|(key, terms)| shown(key, terms));
    found.ok_or_else(|| {
        let id: String = asked.id.chars().take(PUSH_ID_BYTES_MAX).collect();
        Fault::new(
            error_code::TASK_NOT_FOUND,
            format!("you have set no push notification {id} for this task"),
        )
    })
}

/// All on one page: there are few.
pub(super) async fn list(door: &Door, task: &str) -> Result<Value, Fault> {
    may(door, "push.list")?;
    let found = of_task(door, task).await?;
    let configs = found.iter().map(|(key, terms)| config(key, terms)).collect();
    let page = ListTaskPushNotificationConfigsResponse { configs, next_page_token: None };
    serde_json::to_value(page).map_err(|error| Fault::internal(error.to_string()))
}

/// What is not there is deleted already.
pub(super) async fn delete(
    door: &Door,
    asked: DeleteTaskPushNotificationConfigRequest,
) -> Result<Value, Fault> {
    may(door, "push.delete")?;
    let task = uuid(&door.source(&asked.task_id).await?.id())?;
    let key = PushKey { task, owner: door.caller().party.clone(), id: asked.id };
    door.edge().call(CommandBody::Push(Push::Remove { key }), 0).await?;
    Ok(json!({}))
}

fn uuid(id: &str) -> Result<Uuid, Fault> {
    id.parse().map_err(|_| Fault::no_task(id))
}

/// What the caller has set for a task that they may see.
async fn of_task(door: &Door, task: &str) -> Result<Vec<(PushKey, PushTerms)>, Fault> {
    let task = uuid(&door.source(task).await?.id())?;
    let owner: Party = door.caller().party.clone();
    let is_it = move |record: &&PushRecord| record.key.task == task && record.key.owner == owner;
    let found = door.edge().ask(move |hub| {
        hub.pushes().filter(is_it).map(|record| (record.key.clone(), record.terms.clone())).collect()
    });
    Ok(found.await?)
}

/// Without a name a client has one address for a task, and setting it again replaces it.
fn id_of(config: &TaskPushNotificationConfig, task: &Uuid) -> Result<String, Fault> {
    let Some(id) = config.id.as_ref().filter(|id| !id.is_empty()) else { return Ok(task.to_string()) };
    let is_plain =
        id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'%'));
    if id.len() > PUSH_ID_BYTES_MAX || !is_plain {
        let message = format!(
            "the id of a push notification has 1 to {PUSH_ID_BYTES_MAX} letters, digits and signs, and none of / ? # %"
        );
        return Err(Fault::params(message));
    }
    Ok(id.clone())
}

/// An address that could be told something now.
async fn address(outbound: &Outbound, url: &str) -> Result<String, Fault> {
    let refused = |why: String| Fault::params(format!("nothing is pushed to that url: {why}"));
    if url.len() > PUSH_URL_BYTES_MAX {
        return Err(refused(format!("it has {} bytes, at most {PUSH_URL_BYTES_MAX}", url.len())));
    }
    let parsed = outbound.parse(url).map_err(|failure| refused(failure.to_string()))?;
    outbound.judge(&parsed).await.map_err(|failure| {
        refused(format!("{failure}, unless an admin allows the server by name as push.allow"))
    })?;
    Ok(parsed.into())
}

fn config(key: &PushKey, terms: &PushTerms) -> TaskPushNotificationConfig {
    TaskPushNotificationConfig {
        url: terms.url.clone(),
        id: Some(key.id.clone()),
        task_id: key.task.to_string(),
        token: None,
        authentication: terms
            .scheme
            .as_ref()
            .map(|scheme| AuthenticationInfo { scheme: scheme.clone(), credentials: None }),
        tenant: None,
    }
}

fn shown(key: &PushKey, terms: &PushTerms) -> Value {
    // It is made of texts.
    serde_json::to_value(config(key, terms)).unwrap_or_default()
}

fn fits(what: &str, text: &str) -> Result<(), Fault> {
    if text.len() <= PUSH_SECRET_BYTES_MAX && HeaderValue::from_str(text).is_ok() {
        return Ok(());
    }
    let message =
        format!("{what} goes into a header: at most {PUSH_SECRET_BYTES_MAX} bytes, and no line break");
    Err(Fault::params(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(of: Value) -> TaskPushNotificationConfig {
        let mut whole = json!({"taskId": Uuid::nil(), "url": "https://a.test/hook"});
        for (name, value) in of.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_name_is_one_that_stands_in_a_path() {
        let id = |id: Value| id_of(&config(json!({"id": id})), &Uuid::nil());
        assert_eq!(id(Value::Null), Ok(Uuid::nil().to_string()));
        assert_eq!(id(json!("")), Ok(Uuid::nil().to_string()));
        assert_eq!(id(json!("hook-1:x")), Ok("hook-1:x".to_owned()));
        for wrong in ["a/b", "a b", "a%2f", "\u{e4}", "a\n", "x?y", &"x".repeat(PUSH_ID_BYTES_MAX + 1)] {
            assert_eq!(id(json!(wrong)).unwrap_err().code(), error_code::INVALID_PARAMS, "{wrong:?}");
        }
    }

    #[test]
    fn secrets_are_what_a_header_can_hold() {
        let secrets = |of: Value| Secrets::of(&config(of)).map(drop).map_err(|fault| fault.code());
        let auth = |scheme: &str, credentials: &str| json!({"authentication": {"scheme": scheme, "credentials": credentials}});
        assert!(secrets(json!({"token": "t"})).is_ok() && secrets(auth("Bearer", "x y")).is_ok());
        let long = "x".repeat(PUSH_SECRET_BYTES_MAX + 1);
        for wrong in [
            json!({"token": "a\nb"}),
            json!({"token": long}),
            auth("Bea rer", "x"),
            auth("", "x"),
            auth("Bearer", "a\r\nX-Evil: 1"),
        ] {
            assert_eq!(secrets(wrong.clone()), Err(error_code::INVALID_PARAMS), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_address_within_is_refused_when_it_is_set() {
        let outbound =
            Outbound::new("test").encrypted().allowing(Allowed::new(["127.0.0.1:8080".to_owned()]));
        assert_eq!(address(&outbound, "http://127.0.0.1:8080/x").await, Ok("http://127.0.0.1:8080/x".into()));
        for wrong in [
            "http://a.test/hook",
            "https://127.0.0.1/hook",
            "https://[::ffff:10.0.0.1]/hook",
            "https://169.254.169.254/latest",
            "https://ana:pw@a.test/",
            "nonsense",
            &format!("https://a.test/{}", "x".repeat(PUSH_URL_BYTES_MAX)),
        ] {
            let fault = address(&outbound, wrong).await.unwrap_err();
            assert_eq!(fault.code(), error_code::INVALID_PARAMS, "{wrong}: {}", fault.message());
        }
    }
}
