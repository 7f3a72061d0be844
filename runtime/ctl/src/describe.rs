//! `nexctl describe`: everything about one thing, and what belongs to it.

use nexus_client::{CallError, Client};
use nexus_wire::admin::AspectKey;
use nexus_wire::alert::{Alert, AlertList};
use nexus_wire::approval::{ApprovalGet, ApprovalInfo, ApprovalList};
use nexus_wire::audit::AuditList;
use nexus_wire::budget::{BudgetInfo, BudgetList};
use nexus_wire::chat::{ChatGet, ChatRead};
use nexus_wire::gather::GatherStatus;
use nexus_wire::hands::{DispatchInfo, DispatchList, DispatchStatus};
use nexus_wire::knowledge::{KnowledgeGet, KnowledgeHistory};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::thread::ThreadGet;
use nexus_wire::{AspectName, Party};
use serde_json::json;

use crate::cli::One;
use crate::failure::Failure;
use crate::page::Page;
use crate::{Run, flow, ids, look, near, operator, registry, session, skill, trail, trigger, vault};
use sheet::Sheet;

mod sheet;

/// Of what there may be many, the latest are shown.
const LATEST: u32 = 5;

pub(crate) async fn describe(run: &Run, what: One) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let page = run.within(page(run, &mut client, what)).await?;
    client.close().await;
    page?.print(run)
}

async fn page(run: &Run, client: &mut Client, what: One) -> Result<Page, Failure> {
    match what {
        One::Alert { key } => {
            let alert = alert(client, &key).await?;
            Page::of(run, &alert, None, || Sheet::of_alert(run, &alert).text())
        }
        One::Approval { id } => {
            let approval = ids::approval(client, &id).await?;
            let info = client.call(ApprovalGet { approval }).await?;
            Page::of(run, &info, None, || Sheet::of_approval(run, &info).text())
        }
        One::Aspect { name } => aspect(run, client, &name).await,
        One::Budget { of } => budget(run, client, &of).await,
        One::Credential { name } => vault::one(run, &run.broker()?, &name).await,
        One::Dispatch { id } => {
            let dispatch = ids::dispatch(client, &id).await?;
            let info = client.call(DispatchStatus { dispatch, without_output: false }).await?;
            let below = below(client, &info).await?;
            let value = json!({"dispatch": info, "children": below});
            Page::of(run, &value, None, || Sheet::of_dispatch(run, &info, &below).text())
        }
        One::Flow { name } => flow::one(run, client, name).await,
        One::Gather { id } => {
            let gather = ids::gather(client, &id).await?;
            let info = client.call(GatherStatus { gather }).await?;
            Page::of(run, &info, None, || Sheet::of_gather(run, &info).text())
        }
        One::Knowledge { topic, whose } => {
            let get = KnowledgeGet { topic: topic.clone(), of: whose.of.clone(), version: None };
            let entry = client.call(get).await?;
            let (of, limit) = (whose.of, Some(LATEST));
            let history = client.call(KnowledgeHistory { topic, of, limit, cursor: None }).await?.entries;
            let value = json!({"entry": entry, "versions": history});
            Page::of(run, &value, None, || Sheet::of_knowledge(run, &entry, &history).text())
        }
        One::Message { id } => {
            let message = ids::message(client, &id).await?;
            let found = client.call(ChatGet { message }).await?;
            let receipts = look::receipts(client, message).await?.receipts;
            let value = json!({"message": found, "receipts": receipts});
            Page::of(run, &value, None, || Sheet::of_message(run, &found, &receipts).text())
        }
        One::Operator { name } => {
            let list = AuditList {
                by: Some(Party::Operator(name.clone())),
                limit: Some(LATEST),
                ..AuditList::default()
            };
            let did = trail::page(client, list).await?.entries;
            operator::one(run, &run.broker()?, &name, &did).await
        }
        One::Registry { name } => registry::one(run, client, name).await,
        One::Run { id } => flow::one_run(run, client, &id).await,
        One::Session { of, session } => {
            let session = ids::session(client, &of, &session).await?;
            let tree = session::whole_tree(client, &of, &session).await?;
            let value = json!({
                "aspect": of,
                "session": tree.session,
                "head": tree.head,
                "entries": tree.entries.len(),
                "active": tree.entries.iter().filter(|node| node.active).count(),
            });
            Page::of(run, &value, None, || Sheet::of_session(run, &of, &tree).text())
        }
        One::Skill { name } => {
            let skill = skill::get(&run.broker()?, &name).await?;
            Page::of(run, &skill, None, || Sheet::of_skill(&skill).text())
        }
        One::Thread { id } => {
            let thread = ids::thread(client, &id).await?;
            let info = client.call(ThreadGet { thread }).await?;
            let latest = ChatRead {
                thread: Some(thread),
                before: Some(info.last_seq.saturating_add(1)),
                limit: Some(LATEST),
                ..ChatRead::default()
            };
            let messages = client.call(latest).await?.messages;
            let value = json!({"thread": info, "messages": messages});
            Page::of(run, &value, None, || Sheet::of_thread(run, &info, &messages).text())
        }
        One::Trigger { name } => trigger::one(run, client, name).await,
    }
}

async fn alert(client: &mut Client, key: &str) -> Result<Alert, Failure> {
    let mut before = None;
    loop {
        let page = client.call(AlertList { all: true, before, limit: Some(PAGE_MAX) }).await?;
        before = page.alerts.last().map(|alert| alert.seq).filter(|_| page.more);
        if let Some(alert) = page.alerts.into_iter().find(|alert| alert.key == key) {
            return Ok(alert);
        }
        if before.is_none() {
            let message = format!("there is no alert {key:?}; see: nexctl get alerts --all");
            return Err(Failure::Failed(message));
        }
    }
}

async fn aspect(run: &Run, client: &mut Client, name: &AspectName) -> Result<Page, Failure> {
    let team = look::whole_team(client).await?.aspects;
    let names = team.iter().map(|aspect| aspect.name.as_str()).collect();
    let Some(aspect) = team.iter().find(|aspect| aspect.name == *name) else {
        let hint = near::hint(name.as_str(), names);
        return Err(Failure::Failed(format!("there is no aspect named {:?}; {hint}", name.as_str())));
    };
    // Of the key only what whoever asks may know.
    let key: Option<AspectKey> = run.broker()?.get_json(&format!("/api/v1/aspects/{name}/key")).await.ok();
    let is_of = |budget: &BudgetInfo| budget.of == Some(Party::Aspect(name.clone()));
    let mut budgets = client.call(BudgetList {}).await?.budgets;
    budgets.retain(is_of);
    let open = DispatchList { open: true, limit: Some(PAGE_MAX), ..DispatchList::default() };
    let mut dispatches = client.call(open).await?.dispatches;
    dispatches.retain(|info| info.hand.aspect == *name);
    let ask = ApprovalList { all: false, before: None, limit: Some(PAGE_MAX) };
    let mut approvals: Vec<ApprovalInfo> = client.call(ask).await?.approvals;
    approvals.retain(|info| info.aspect.aspect() == Some(name));
    let value = json!({
        "aspect": aspect, "key": key, "budgets": budgets, "dispatches": dispatches, "approvals": approvals,
    });
    Page::of(run, &value, None, || {
        Sheet::of_aspect(run, aspect, key.as_ref())
            .budgets(run, &budgets)
            .dispatches(run, "Work", &dispatches)
            .approvals(run, &approvals)
            .text()
    })
}

async fn budget(run: &Run, client: &mut Client, of: &str) -> Result<Page, Failure> {
    let whose = match of {
        "all" => None,
        name => Some(name.parse::<Party>().map_err(|error| Failure::Usage(error.to_string()))?),
    };
    let mut budgets = client.call(BudgetList {}).await?.budgets;
    budgets.retain(|budget| budget.of == whose);
    if budgets.is_empty() {
        return Err(Failure::Failed(format!("there is no budget of {of}; see: nexctl get budgets")));
    }
    Page::of(run, &json!({"budgets": budgets}), None, || Sheet::default().budgets(run, &budgets).text())
}

/// What a dispatch has had others do.
async fn below(client: &mut Client, info: &DispatchInfo) -> Result<Vec<DispatchInfo>, CallError> {
    let list = DispatchList { root: Some(info.root), limit: Some(PAGE_MAX), ..DispatchList::default() };
    let mut found = client.call(list).await?.dispatches;
    found.retain(|other| other.parent == Some(info.id));
    Ok(found)
}

/// A person as a sheet, with what they did last.
pub(crate) fn operator_page(
    run: &Run,
    info: &nexus_wire::admin::OperatorInfo,
    did: &[nexus_wire::audit::AuditEntry],
) -> Result<Page, Failure> {
    let value = json!({"operator": info, "did": did});
    Page::of(run, &value, None, || Sheet::of_operator(run, info, did).text())
}
