//! `nexctl audit` and `nexctl usage`: who did what, and what it cost.

use nexus_wire::audit::{AuditList, UsageRead};

use crate::failure::Failure;
use crate::page::Page;
use crate::{Run, cli, ids, table, trail};

pub(crate) async fn audit(run: &Run, audit: cli::Audit) -> Result<(), Failure> {
    let (since, until) = run.between(audit.since, audit.until)?;
    let mut client = run.connect().await?;
    let thread = run.within(ids::optional(&mut client, audit.thread.as_ref(), ids::thread)).await??;
    let list = AuditList {
        by: audit.by,
        kind: audit.kind,
        subject: audit.subject,
        thread,
        since,
        until,
        before: audit.before,
        limit: Some(audit.limit),
    };
    let page = run.within(trail::page(&mut client, list)).await??;
    client.close().await;
    let empty = page.entries.is_empty().then_some(match page.next {
        Some(_) => "nothing of that kind is among what was looked at in the audit trail",
        None => "nothing of that kind is in the audit trail",
    });
    let rows = || table::audit(&run.ui, &page.entries, &run.zone);
    Page::of(run, &page, empty, rows)?.going_on("--before", page.next).print(run)
}

pub(crate) async fn usage(run: &Run, usage: cli::Usage) -> Result<(), Failure> {
    let (since, until) = run.between(usage.since, usage.until)?;
    let mut client = run.connect().await?;
    let read = UsageRead { by: usage.by.into(), since, until };
    let report = run.within(client.call(read)).await??;
    client.close().await;
    let empty = report.rows.is_empty().then_some("nothing was spent in that time");
    let more = report.more.then(|| "there are more rows than are shown; the total is over all".to_owned());
    let rows = || table::usage(&run.ui, &report);
    Page::of(run, &report, empty, rows)?.noting(crate::ui::Tone::Dim, more).print(run)
}
