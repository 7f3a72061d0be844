//! Webhook triggers: where a service outside is to send its requests, and the secret that is shown once.

use std::path::Path;

use nexus_client::Client;
use nexus_wire::hook::{TriggerRotate, TriggerRotated};
use nexus_wire::trigger::{Trigger, TriggerInfo};

use super::standing;
use crate::failure::Failure;
use crate::ui::Tone;
use crate::{Run, vault};

/// What a file says, or standard input where that is `-`.
pub(super) fn secret(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(path) = file else { return Ok(None) };
    let file = (path != Path::new("-")).then_some(path);
    vault::secret(file).map(Some)
}

/// Defined, and given its first secret.
pub(super) async fn added(
    run: &Run,
    mut client: Client,
    definition: Trigger,
    secret: Option<String>,
) -> Result<(), Failure> {
    let is_theirs = definition.when.webhook().is_some_and(|hook| hook.preset.brings_its_secret());
    let info = run.change(&mut client, definition).await?;
    let has_one = info.hook.as_ref().is_some_and(|hook| hook.secret_since.is_some());
    if secret.is_none() && (has_one || is_theirs) {
        client.close().await;
        run.answer(&info, || format!("{}\n{}", standing(run, &info), address(run, &info)))?;
        if !has_one {
            let name = &info.definition.name;
            let note = format!(
                "it takes nothing yet: give it the secret that the service shows you: nexctl trigger rotate {name} --secret-file -"
            );
            run.ui.note(Tone::Warning, &note);
        }
        return Ok(());
    }
    let rotate = TriggerRotate { trigger: info.definition.name.clone(), secret, overlap_s: None };
    let rotated = run.change(&mut client, rotate).await?;
    client.close().await;
    shown(run, &rotated, &standing(run, &info))
}

pub(super) async fn rotate(run: &Run, rotate: TriggerRotate) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let rotated = run.change(&mut client, rotate).await?;
    client.close().await;
    shown(run, &rotated, &format!("{} has a new secret", rotated.trigger))
}

fn shown(run: &Run, rotated: &TriggerRotated, said: &str) -> Result<(), Failure> {
    let url = rotated.url.clone().unwrap_or_else(|| url(run, &rotated.path));
    run.answer(rotated, || match &rotated.secret {
        Some(secret) => format!("{said}\nurl         {url}\nsecret      {secret}"),
        None => format!("{said}\nurl         {url}"),
    })?;
    if rotated.secret.is_some() {
        run.ui.note(Tone::Plain, "the secret is shown this once; give both to the service");
    }
    if let Some(until) = rotated.previous_until {
        let until = crate::table::exact(until, &run.zone);
        run.ui.note(Tone::Plain, &format!("the secret before it is good until {until}"));
    }
    Ok(())
}

fn address(run: &Run, info: &TriggerInfo) -> String {
    let path = info.hook.as_ref().map_or("", |hook| hook.path.as_str());
    format!("url         {}", url(run, path))
}

/// As this broker is known here; a service outside may need another name for it.
pub(super) fn url(run: &Run, path: &str) -> String {
    let origin = run.broker().map(|broker| broker.endpoint().url().trim_end_matches('/').to_owned());
    format!("{}{path}", origin.unwrap_or_default())
}
