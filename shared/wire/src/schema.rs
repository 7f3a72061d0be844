//! JSON Schemas of everything on the wire, generated from the types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::frame::{FrameSet, FromBroker, ToBroker};

/// One direction as a JSON Schema (draft 2020-12): a frame is an envelope whose payload goes by its kind.
pub fn direction<F: FrameSet>(title: &str) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let trace = generator.subschema_for::<crate::TraceContext>();
    let variants: Vec<Value> = F::payload_schemas(&mut generator)
        .into_iter()
        .map(|(kind, payload)| {
            json!({"title": kind, "type": "object", "required": ["kind"], "properties": {
                "kind": {"const": kind},
                "id": {"type": "string", "format": "uuid", "description": "set when a reply is wanted"},
                "in_reply_to": {"type": "string", "format": "uuid"},
                "trace": trace,
                "ts": {"type": "string", "format": "date-time", "description": "advisory"},
                "payload": payload,
            }})
        })
        .collect();
    let definitions: Map<String, Value> = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "oneOf": variants,
        "$defs": definitions,
    })
}

/// File name and content of every schema that is published.
pub fn files() -> Vec<(&'static str, Value)> {
    vec![
        ("from-broker.json", direction::<FromBroker>("frames the broker sends")),
        ("to-broker.json", direction::<ToBroker>("frames a client sends")),
        ("replies.json", serde_json::to_value(schemars::schema_for!(Replies)).unwrap_or(Value::Null)),
        ("http.json", serde_json::to_value(schemars::schema_for!(Http)).unwrap_or(Value::Null)),
    ]
}

/// The `ok` payload of each request that has one.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "exists for its schema")]
struct Replies {
    #[schemars(rename = "alert.ack")]
    alert_ack: crate::alert::Alert,
    #[schemars(rename = "alert.list")]
    alert_list: crate::alert::AlertPage,
    #[schemars(rename = "approval.answer")]
    approval_answer: crate::approval::ApprovalInfo,
    #[schemars(rename = "approval.ask")]
    approval_ask: crate::approval::ApprovalInfo,
    #[schemars(rename = "approval.get")]
    approval_get: crate::approval::ApprovalInfo,
    #[schemars(rename = "approval.list")]
    approval_list: crate::approval::ApprovalPage,
    #[schemars(rename = "approval.withdraw")]
    approval_withdraw: crate::approval::ApprovalInfo,
    #[schemars(rename = "audit.list")]
    audit_list: crate::audit::AuditPage,
    #[schemars(rename = "budget.clear")]
    budget_clear: crate::budget::BudgetCleared,
    #[schemars(rename = "budget.go_on")]
    budget_go_on: crate::budget::SpendingDay,
    #[schemars(rename = "budget.list")]
    budget_list: crate::budget::Budgets,
    #[schemars(rename = "budget.set")]
    budget_set: crate::budget::BudgetInfo,
    #[schemars(rename = "budget.stop")]
    budget_stop: crate::budget::SpendingDay,
    #[schemars(rename = "chat.get")]
    chat_get: crate::chat::Message,
    #[schemars(rename = "chat.mark")]
    chat_mark: crate::thread::ChatMarked,
    #[schemars(rename = "chat.react")]
    chat_react: crate::thread::Reacted,
    #[schemars(rename = "aspect.release")]
    aspect_release: crate::roster::AspectRestraint,
    #[schemars(rename = "aspect.restrain")]
    aspect_restrain: crate::roster::AspectRestraint,
    #[schemars(rename = "chat.read")]
    chat_read: crate::chat::ChatPage,
    #[schemars(rename = "chat.receipts")]
    chat_receipts: crate::thread::ReceiptPage,
    #[schemars(rename = "chat.search")]
    chat_search: crate::chat::ChatFound,
    #[schemars(rename = "chat.send")]
    chat_send: crate::chat::ChatSent,
    #[schemars(rename = "chat.threads")]
    chat_threads: crate::chat::ThreadPage,
    dispatch: crate::hands::Dispatched,
    #[schemars(rename = "dispatch.cancel")]
    dispatch_cancel: crate::hands::CancelReceipt,
    #[schemars(rename = "dispatch.list")]
    dispatch_list: crate::hands::DispatchPage,
    #[schemars(rename = "dispatch.result")]
    dispatch_result: crate::hands::DispatchStanding,
    #[schemars(rename = "dispatch.retry")]
    dispatch_retry: crate::hands::Dispatched,
    #[schemars(rename = "dispatch.status")]
    dispatch_status: crate::hands::DispatchInfo,
    #[schemars(rename = "dispatch.wait")]
    dispatch_wait: crate::hands::DispatchStanding,
    #[schemars(rename = "knowledge.delete")]
    knowledge_delete: crate::knowledge::KnowledgeStored,
    #[schemars(rename = "knowledge.get")]
    knowledge_get: crate::knowledge::KnowledgeEntry,
    #[schemars(rename = "knowledge.grant")]
    knowledge_grant: crate::knowledge::KnowledgeGranted,
    #[schemars(rename = "knowledge.grants")]
    knowledge_grants: crate::knowledge::KnowledgeGrantPage,
    #[schemars(rename = "knowledge.history")]
    knowledge_history: crate::knowledge::KnowledgePage,
    #[schemars(rename = "knowledge.list")]
    knowledge_list: crate::knowledge::KnowledgePage,
    #[schemars(rename = "knowledge.revoke")]
    knowledge_revoke: crate::knowledge::KnowledgeGranted,
    #[schemars(rename = "flow.delete")]
    flow_delete: crate::flow::FlowDeleted,
    #[schemars(rename = "flow.get")]
    flow_get: crate::flow::FlowInfo,
    #[schemars(rename = "flow.list")]
    flow_list: crate::flow::FlowPage,
    #[schemars(rename = "flow.put")]
    flow_put: crate::flow::FlowStored,
    #[schemars(rename = "registry.delete")]
    registry_delete: crate::registry::RegistryDeleted,
    #[schemars(rename = "registry.get")]
    registry_get: crate::registry::RegistryInfo,
    #[schemars(rename = "registry.history")]
    registry_history: crate::registry::RegistryChanges,
    #[schemars(rename = "registry.list")]
    registry_list: crate::registry::RegistryPage,
    #[schemars(rename = "registry.put")]
    registry_put: crate::registry::RegistryStored,
    #[schemars(rename = "registry.read")]
    registry_read: crate::registry::RegistryRows,
    #[schemars(rename = "registry.remove")]
    registry_remove: crate::registry::RegistryRemoved,
    #[schemars(rename = "registry.row")]
    registry_row: crate::registry::RegistryRow,
    #[schemars(rename = "registry.write")]
    registry_write: crate::registry::RegistryWritten,
    #[schemars(rename = "run.cancel")]
    run_cancel: crate::run::RunInfo,
    #[schemars(rename = "run.get")]
    run_get: crate::run::RunDetail,
    #[schemars(rename = "run.list")]
    run_list: crate::run::RunPage,
    #[schemars(rename = "run.retry")]
    run_retry: crate::run::RunStarted,
    #[schemars(rename = "run.start")]
    run_start: crate::run::RunStarted,
    gather: crate::gather::Gathered,
    #[schemars(rename = "gather.cancel")]
    gather_cancel: crate::gather::GatherCancelled,
    #[schemars(rename = "gather.list")]
    gather_list: crate::gather::GatherPage,
    #[schemars(rename = "gather.status")]
    gather_status: crate::gather::GatherInfo,
    #[schemars(rename = "knowledge.search")]
    knowledge_search: crate::knowledge::KnowledgeHits,
    #[schemars(rename = "knowledge.store")]
    knowledge_store: crate::knowledge::KnowledgeStored,
    #[schemars(rename = "lease.renew")]
    lease_renew: crate::hands::LeasesRenewed,
    situation: crate::roster::Situation,
    #[schemars(rename = "session.compact")]
    session_compact: crate::session::SessionOrdered,
    #[schemars(rename = "session.diff")]
    session_diff: crate::session::SessionDiffed,
    #[schemars(rename = "session.entry")]
    session_entry: crate::session::SessionShown,
    #[schemars(rename = "session.expand")]
    session_expand: crate::session::SessionExpanded,
    #[schemars(rename = "session.fork")]
    session_fork: crate::session::SessionOrdered,
    #[schemars(rename = "session.list")]
    session_list: crate::session::SessionPage,
    #[schemars(rename = "session.rewind")]
    session_rewind: crate::session::SessionOrdered,
    #[schemars(rename = "session.status")]
    session_status: crate::session::SessionCommandInfo,
    #[schemars(rename = "session.summarise")]
    session_summarise: crate::session::SessionOrdered,
    #[schemars(rename = "session.tree")]
    session_tree: crate::session::SessionTreePage,
    subscribe: crate::log::Subscribed,
    #[schemars(rename = "team.list")]
    team_list: crate::roster::Team,
    #[schemars(rename = "thread.get")]
    thread_get: crate::chat::ThreadInfo,
    #[schemars(rename = "thread.rename")]
    thread_rename: crate::thread::ThreadRenamed,
    #[schemars(rename = "trigger.delete")]
    trigger_delete: crate::trigger::TriggerDeleted,
    #[schemars(rename = "trigger.fire")]
    trigger_fire: crate::trigger::TriggerFired,
    #[schemars(rename = "trigger.get")]
    trigger_get: crate::trigger::TriggerInfo,
    #[schemars(rename = "trigger.history")]
    trigger_history: crate::trigger::TriggerSlots,
    #[schemars(rename = "trigger.list")]
    trigger_list: crate::trigger::TriggerPage,
    #[schemars(rename = "trigger.next")]
    trigger_next: crate::trigger::TriggerPlan,
    #[schemars(rename = "trigger.pause")]
    trigger_pause: crate::trigger::TriggerInfo,
    #[schemars(rename = "trigger.put")]
    trigger_put: crate::trigger::TriggerInfo,
    #[schemars(rename = "trigger.resume")]
    trigger_resume: crate::trigger::TriggerInfo,
    #[schemars(rename = "trigger.rotate")]
    trigger_rotate: crate::hook::TriggerRotated,
    #[schemars(rename = "turn.cancel")]
    turn_cancel: crate::session::SessionOrdered,
    #[schemars(rename = "turn.go_on")]
    turn_go_on: crate::session::SessionOrdered,
    #[schemars(rename = "usage.read")]
    usage_read: crate::audit::UsageReport,
    #[schemars(rename = "watch.changed")]
    watch_changed: crate::files::WatchTold,
}

/// Bodies of the HTTP endpoints.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "exists for its schema")]
struct Http {
    aspect_add: crate::admin::AspectAdd,
    aspect_key: crate::admin::AspectKey,
    backup_made: crate::backup::BackupMade,
    backup_make: crate::backup::BackupMake,
    blob_info: crate::blob::BlobInfo,
    blob_page: crate::blob::BlobPage,
    credential_add: crate::credential::CredentialAdd,
    credential_allow: crate::credential::CredentialAllow,
    credential_info: crate::credential::CredentialInfo,
    credential_list: crate::credential::CredentialList,
    credential_rotate: crate::credential::CredentialRotate,
    credential_secret: crate::credential::CredentialSecret,
    home: crate::home::Home,
    invitation_accept: crate::access::InvitationAccept,
    invitation_accepted: crate::access::InvitationAccepted,
    invitation_add: crate::access::InvitationAdd,
    invitation_info: crate::access::InvitationInfo,
    invitation_made: crate::access::InvitationMade,
    invitations: crate::access::Invitations,
    key_rotate: crate::access::KeyRotate,
    key_rotated: crate::access::KeyRotated,
    login: crate::access::Login,
    nexus: crate::admin::NexusInfo,
    nexus_ca: crate::admin::NexusCa,
    operator_add: crate::admin::OperatorAdd,
    operator_info: crate::admin::OperatorInfo,
    operator_role_set: crate::admin::OperatorRoleSet,
    operators: crate::admin::Operators,
    problem: crate::problem::Problem,
    password_set: crate::access::PasswordSet,
    session: crate::access::SessionInfo,
    setup: crate::access::Setup,
    setup_done: crate::access::SetupDone,
    token_add: crate::access::TokenAdd,
    token_for_password: crate::access::TokenForPassword,
    token_list: crate::access::TokenList,
    token_login: crate::access::TokenLogin,
    token_made: crate::access::TokenMade,
    token_request: crate::admin::TokenRequest,
    token_response: crate::admin::TokenResponse,
    workspace_files: crate::workspace::WorkspaceFiles,
    workspace_skills: crate::workspace::Skills,
}
