//! `nexctl aspect`: who is let in from afar. Keys are made here, and only their public part leaves this machine.

use nexus_client::{Broker, Home};
use nexus_wire::access::{KeyRotate, KeyRotated};
use nexus_wire::admin::{AspectAdd, AspectKey, NexusCa};

use crate::Run;
use crate::cli::AspectAction;
use crate::failure::Failure;
use crate::ui::{Shape, Tone};

/// How another Nexus is named.
const OTHER: &str = "a broker is named with --url or --context";

pub(crate) async fn aspect(run: &Run, action: AspectAction) -> Result<(), Failure> {
    let broker = run.broker()?;
    match action {
        AspectAction::Add { name, home, role, share_knowledge, broker: at, force } => {
            let home = Home::of(&home, &name).map_err(wrong)?;
            let nexus = nexus(run, &broker).await?;
            if !force {
                home.spare_other(nexus.nexus_id, OTHER).map_err(wrong)?;
            }
            let url = at.unwrap_or_else(|| broker.endpoint().url().to_owned());
            let kept = home.kept(&nexus, &url);
            let what = if kept.is_some() { "the key it has" } else { "a new key" };
            let keyfile = kept.map_or_else(|| home.fresh(&nexus, &url), Ok).map_err(wrong)?;
            let public_key = keyfile.public_key.clone();
            let add = AspectAdd { name: name.clone(), role: role.into(), public_key, share_knowledge };
            run.rehearse("POST /api/v1/aspects", &add)?;
            let key: AspectKey = run.within(broker.post_json("/api/v1/aspects", &add)).await??;
            let path = home.keep(&keyfile).map_err(wrong)?;
            run.answer(&key, || format!("{name} is in with {what}: {}", path.display()))
        }
        AspectAction::Revoke { name } => {
            let path = format!("/api/v1/aspects/{name}");
            run.rehearse(&format!("DELETE {path}"), &serde_json::json!({}))?;
            let key: AspectKey = run.within(broker.delete_json(&path)).await??;
            run.answer(&key, || format!("{name} is out; what it wrote stays"))
        }
        AspectAction::Rotate { name, home, overlap, broker: at } => {
            let home = Home::of(&home, &name).map_err(wrong)?;
            let nexus = nexus(run, &broker).await?;
            home.spare_other(nexus.nexus_id, OTHER).map_err(wrong)?;
            let url = at.unwrap_or_else(|| broker.endpoint().url().to_owned());
            let keyfile = home.fresh(&nexus, &url).map_err(wrong)?;
            let rotate = KeyRotate { public_key: keyfile.public_key.clone(), overlap_s: overlap.as_secs() };
            let path = format!("/api/v1/aspects/{name}/rotate");
            run.rehearse(&format!("POST {path}"), &rotate)?;
            let rotated: KeyRotated = run.within(broker.post_json(&path, &rotate)).await??;
            let path = home.keep(&keyfile).map_err(wrong)?;
            run.answer(&rotated, || format!("{name} is in with a new key: {}", path.display()))?;
            if rotated.previous_until.is_some() && run.ui.shape() == Shape::Text {
                let note = format!(
                    "its old key is good for {} s more; an agent that sees the new file takes it up by itself",
                    overlap.as_secs()
                );
                run.ui.note(Tone::Plain, &note);
            }
            Ok(())
        }
    }
}

/// Which Nexus it is, and what its keyfiles trust.
async fn nexus(run: &Run, broker: &Broker) -> Result<NexusCa, Failure> {
    Ok(run.within(broker.get_json("/api/v1/ca")).await??)
}

fn wrong(error: nexus_client::HomeError) -> Failure {
    Failure::Failed(error.to_string())
}
