//! `nexctl hold`, `pause` and `release`: what an admin keeps an aspect from.

use nexus_wire::roster::{AspectRelease, AspectRestrain, AspectRestraint, RestraintKind};

use crate::Run;
use crate::cli::{self};
use crate::failure::Failure;
use crate::ui::{Shape, printable};

pub(crate) async fn restrain(run: &Run, restrain: cli::Restrain, kind: RestraintKind) -> Result<(), Failure> {
    let request = AspectRestrain { name: restrain.aspect, kind, reason: restrain.reason };
    let mut client = run.connect().await?;
    let in_force = run.change(&mut client, request).await?;
    client.close().await;
    show(run, &in_force)
}

pub(crate) async fn release(run: &Run, release: cli::Release) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let in_force = run.change(&mut client, AspectRelease { name: release.aspect }).await?;
    client.close().await;
    show(run, &in_force)
}

fn show(run: &Run, in_force: &AspectRestraint) -> Result<(), Failure> {
    if run.ui.shape() == Shape::Data {
        return run.ui.data(in_force);
    }
    let name = &in_force.aspect;
    run.ui.result_line(&match &in_force.restraint {
        Some(it) => format!(
            "{name} is {} by {}: {}; nexctl release {name} ends that",
            it.kind.as_str(),
            it.by,
            printable(&it.reason)
        ),
        None => format!(
            "{name} is released: it is neither held nor paused. If it was held, its agent has ended: one that the broker \
             runs (nexus serve --spawn) starts by itself, another is started with: agent <home>"
        ),
    })
}
