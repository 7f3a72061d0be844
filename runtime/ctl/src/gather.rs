//! `nexctl gather`: dispatches taken together, for one end of all of them.

use nexus_wire::gather::{Gather, GatherInfo, GatherState, GatherStatus};
use nexus_wire::log::LogBody;

use crate::failure::Failure;
use crate::ui::{Shape, Tone};
use crate::until::until;
use crate::{Run, cli, ids, table};

pub(crate) async fn gather(run: &Run, gather: cli::Gather) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let mut dispatches = Vec::with_capacity(gather.dispatches.len());
    for short in &gather.dispatches {
        dispatches.push(run.within(ids::dispatch(&mut client, short)).await??);
    }
    let request = Gather {
        dispatches,
        policy: gather.policy(),
        n: gather.need,
        deadline_s: gather.deadline.map(|it| u32::try_from(it.as_secs()).unwrap_or(u32::MAX)),
        cancel_rest: (gather.rest || gather.keep_rest).then_some(gather.rest),
        lease: None,
    };
    let gathered = run.change(&mut client, request).await?;
    if gathered.clamped {
        run.ui.note(Tone::Warning, "the deadline was longer than allowed and is shorter now");
    }
    let id = gathered.gather;
    if !gather.wait {
        client.close().await;
        return run.answer(&gathered, || format!("gather {id} is {}", gathered.state.as_str()));
    }
    run.ui.note(Tone::Dim, &format!("gather {id}"));
    let of = id.to_string();
    let ended = until(
        run,
        client,
        &["gather.ended"],
        async |asker| {
            let info = asker.call(GatherStatus { gather: id }).await?;
            Ok((info.state != GatherState::Open).then_some(info))
        },
        |body| matches!(body, LogBody::Other { subject, .. } if *subject == of),
    );
    let info = tokio::select! {
        info = ended => info?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted(format!(
            "interrupted; it goes on: nexctl get gather {id}, nexctl cancel --gather {id}"
        ))),
    };
    show_end(run, &info)
}

fn show_end(run: &Run, info: &GatherInfo) -> Result<(), Failure> {
    match run.ui.shape() {
        Shape::Data => run.ui.data(info)?,
        Shape::Text => {
            run.ui.result(&table::members(info))?;
            run.ui.note(Tone::Dim, "an output is shown by: nexctl get dispatch DISPATCH");
        }
    }
    if info.state == GatherState::Met {
        return Ok(());
    }
    let why = info.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Err(Failure::Failed(format!("gather {} {}{why}", info.id, info.state.as_str())))
}
