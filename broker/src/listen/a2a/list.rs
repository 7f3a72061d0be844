//! The caller's tasks, the latest first: what the audit trail says they began.

use a2a::{ListTasksRequest, ListTasksResponse, TaskState, error_code};
use nexus_wire::ThreadId;
use nexus_wire::audit::{AuditList, AuditPage};

use super::door::Door;
use super::fault::Fault;
use super::task::Extent;

const PAGE_DEFAULT: i32 = 50;
const PAGE_MAX: i32 = 100;
/// Rows of the log that are looked through for one page, at most; a page may end before it is full.
const ROWS_AT_ONCE: u32 = 200;
const READS_MAX: u32 = 10;
/// What begins a task, as the log names it.
const BEGIN: [&str; 2] = ["message", "dispatch.accepted"];

/// Where a page ended, and how many tasks came before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Mark {
    before: u64,
    count: i32,
}

impl Mark {
    fn read(token: &str) -> Result<Self, Fault> {
        let parts = token.split_once('.').and_then(|(before, count)| {
            Some(Self { before: before.parse().ok()?, count: count.parse().ok().filter(|it| *it >= 0)? })
        });
        parts.ok_or_else(|| Fault::params("pageToken is none of this list; begin without one"))
    }

    fn token(self) -> String {
        format!("{}.{}", self.before, self.count)
    }
}

pub(super) async fn list(door: &Door, request: ListTasksRequest) -> Result<ListTasksResponse, Fault> {
    let page_size = request.page_size.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&page_size) {
        return Err(Fault::params(format!("pageSize is 1 to {PAGE_MAX}")));
    }
    let context = request.context_id.as_deref().filter(|it| !it.is_empty());
    let thread = context.map(str::parse::<ThreadId>).transpose();
    let thread = thread.map_err(|_| Fault::params("contextId is none of ours"))?;
    let token = request.page_token.as_deref().filter(|it| !it.is_empty());
    let start = token.map(Mark::read).transpose()?;
    let extent =
        Extent { history: request.history_length, artifacts: request.include_artifacts.unwrap_or(false) };
    let wanted = request.status.filter(|state| *state != TaskState::Unspecified);

    let mut tasks = Vec::new();
    let mut before = start.map(|it| it.before);
    let mut more = true;
    let mut reads = 0;
    'pages: while more && reads < READS_MAX {
        reads += 1;
        let rows = AuditList {
            by: Some(door.caller().party.clone()),
            thread,
            before,
            limit: Some(ROWS_AT_ONCE),
            ..AuditList::default()
        };
        let page: AuditPage = door.ask(rows).await?;
        more = page.more;
        let next = page.next;
        for row in page.entries {
            if tasks.len() as i64 == i64::from(page_size) {
                more = true;
                break 'pages;
            }
            before = Some(row.seq);
            if !BEGIN.contains(&row.kind.as_str()) {
                continue;
            }
            let source = match door.source(&row.subject).await {
                Ok(source) => source,
                // Said to others, or kept no longer.
                Err(fault) if fault.code() == error_code::TASK_NOT_FOUND => continue,
                Err(fault) => return Err(fault),
            };
            let status = source.status();
            let is_late = request.status_timestamp_after.is_none_or(|after| status.timestamp >= Some(after));
            if is_late && wanted.as_ref().is_none_or(|state| *state == status.state) {
                tasks.push(source.task(door.origin(), extent));
            }
        }
        // What was looked at may reach further than its last row, and have none.
        before = next.or(before);
    }
    // As many as there are for certain: those shown by now, and one if more follow.
    let shown = start.map_or(0, |it| it.count).saturating_add(tasks.len() as i32);
    let next = before.filter(|_| more).map(|before| Mark { before, count: shown }.token());
    Ok(ListTasksResponse {
        tasks,
        total_size: shown.saturating_add(i32::from(next.is_some())),
        next_page_token: next.unwrap_or_default(),
        page_size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_where_a_page_ended() {
        let mark = Mark { before: 77, count: 50 };
        assert_eq!(Mark::read(&mark.token()), Ok(mark));
        for token in ["", "x", "1", "1.", ".1", "1.-1", "1.1.1", "-1.1"] {
            assert!(Mark::read(token).is_err(), "{token}");
        }
    }
}
