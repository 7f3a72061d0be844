//! The audit trail, and a search in messages, in whole pages. In one look the broker goes through so many entries, and it
//! may find nothing.

use nexus_client::{CallError, Client};
use nexus_wire::audit::{AuditList, AuditPage};
use nexus_wire::chat::{ChatFound, ChatSearch};
use nexus_wire::limits::{LOOKS_MAX, PAGE_DEFAULT};

pub(crate) async fn page(client: &mut Client, wanted: AuditList) -> Result<AuditPage, CallError> {
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT);
    let mut page = client.call(wanted.clone()).await?;
    for _ in 1..LOOKS_MAX {
        let room = limit.saturating_sub(u32::try_from(page.entries.len()).unwrap_or(limit));
        let Some(next) = page.next.filter(|_| room > 0) else { break };
        let rest = AuditList { before: Some(next), limit: Some(room), ..wanted.clone() };
        let AuditPage { entries, more, next } = client.call(rest).await?;
        page.entries.extend(entries);
        (page.more, page.next) = (more, next);
    }
    Ok(page)
}

pub(crate) async fn search(client: &mut Client, wanted: ChatSearch) -> Result<ChatFound, CallError> {
    let mut found = client.call(wanted.clone()).await?;
    for _ in 1..LOOKS_MAX {
        let Some(rest) = found.rest(&wanted) else { break };
        found.append(client.call(rest).await?);
    }
    Ok(found)
}
