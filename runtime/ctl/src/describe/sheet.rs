//! One thing on a sheet: a label and a value a line, then sections. Pure but for the time it is told.

use nexus_wire::admin::{AspectKey, OperatorInfo};
use nexus_wire::alert::Alert;
use nexus_wire::approval::ApprovalInfo;
use nexus_wire::audit::AuditEntry;
use nexus_wire::budget::{BudgetInfo, dollars};
use nexus_wire::chat::{Message, ThreadInfo, Usage};
use nexus_wire::gather::GatherInfo;
use nexus_wire::hands::DispatchInfo;
use nexus_wire::knowledge::{KnowledgeEntry, KnowledgeHead};
use nexus_wire::roster::{AspectInfo, AspectRole};
use nexus_wire::session::SessionTreePage;
use nexus_wire::thread::Receipt;
use nexus_wire::workspace::Skill;
use nexus_wire::{AspectName, Ms, Party};

use crate::table::{self, ago, exact, span};
use crate::ui::printable;
use crate::{Run, approval, look};

const LABEL_WIDTH: usize = 14;

#[derive(Debug, Default)]
pub(super) struct Sheet {
    text: String,
}

impl Sheet {
    pub(super) fn text(self) -> String {
        self.text
    }

    fn line(mut self, label: &str, value: impl std::fmt::Display) -> Self {
        let value = printable(&value.to_string());
        let label = format!("{label}:");
        self.text.push_str(format!("{label:<LABEL_WIDTH$}  {value}").trim_end());
        self.text.push('\n');
        self
    }

    fn maybe(self, label: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.line(label, value),
            None => self,
        }
    }

    fn at(self, run: &Run, label: &str, at: Option<Ms>) -> Self {
        let now = run.now();
        let distance = |at: Ms| match ago(at, now).as_str() {
            _ if at > now => format!("in {}", span(at - now)),
            "now" => "now".to_owned(),
            ago => format!("{ago} ago"),
        };
        let told = at.map(|at| format!("{} ({})", exact(at, &run.zone), distance(at)));
        self.maybe(label, told)
    }

    fn section(mut self, title: &str, body: &str) -> Self {
        if body.trim().is_empty() {
            return self;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{title}\n"));
        for line in body.trim_end().lines() {
            self.text.push_str(format!("  {line}").trim_end());
            self.text.push('\n');
        }
        self
    }

    fn spent(self, usage: &Usage, cost: Option<u64>) -> Self {
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
        let cost = cost.map_or_else(|| "price not known".to_owned(), |cost| format!("${}", dollars(cost)));
        self.line("Used", format!("{input} tokens in, {cached} cached, {output} out; {cost}"))
    }

    pub(super) fn budgets(self, run: &Run, budgets: &[BudgetInfo]) -> Self {
        let rows =
            if budgets.is_empty() { String::new() } else { table::budgets(&run.ui, budgets, run.now()) };
        self.section("Budgets", &rows)
    }

    pub(super) fn dispatches(self, run: &Run, title: &str, dispatches: &[DispatchInfo]) -> Self {
        let rows = match dispatches {
            [] => String::new(),
            some => table::dispatches(&run.ui, some, run.now()),
        };
        self.section(title, &rows)
    }

    pub(super) fn approvals(self, run: &Run, approvals: &[ApprovalInfo]) -> Self {
        let rows = if approvals.is_empty() {
            String::new()
        } else {
            table::approvals(&run.ui, approvals, run.now())
        };
        self.section("Waits for people", &rows)
    }

    pub(super) fn of_alert(run: &Run, alert: &Alert) -> Self {
        Self::default()
            .line("Alert", &alert.key)
            .line("About", &alert.subject)
            .at(run, "Raised", Some(alert.raised_at))
            .line("Times", alert.times)
            .at(run, "Seen", alert.acked_at)
            .maybe("Seen by", alert.acked_by.as_ref())
            .at(run, "Over", alert.cleared_at)
            .line("Entry", alert.seq)
            .section("What is wrong", &printable(&alert.message))
    }

    pub(super) fn of_approval(run: &Run, info: &ApprovalInfo) -> Self {
        Self::default()
            .line("Approval", info.id)
            .line("Aspect", &info.aspect)
            .line("State", info.state.as_str())
            .at(run, "Asked", Some(info.asked_at))
            .at(run, "Ends", info.ended_at.or(Some(info.expires_at)))
            .section("What it is about", &approval::details(info, &run.zone))
    }

    pub(super) fn of_aspect(run: &Run, aspect: &AspectInfo, key: Option<&AspectKey>) -> Self {
        let role = match aspect.role {
            AspectRole::Frame => "lead",
            AspectRole::Worker => "worker",
        };
        let restraint = aspect.restraint.as_ref();
        let restrained = restraint.map(|it| format!("{} by {}: {}", it.kind.as_str(), it.by, it.reason));
        let activity = aspect.activity.as_ref();
        let hands = aspect.hands.iter().map(|hand| {
            let safe = if hand.idempotent { ", may be tried again" } else { "" };
            let (of, seconds) = (hand.concurrency, hand.timeout_s);
            format!("{}  {}\n  {of} at a time, {seconds} s each{safe}\n", hand.name, hand.description)
        });
        let hands = printable(&hands.collect::<String>());
        Self::default()
            .line("Aspect", &aspect.name)
            .line("State", aspect.state.as_str())
            .at(run, "Since", Some(aspect.since))
            .maybe("Kept", restrained)
            .line("Role", role)
            .line("Model", format!("{} of {}", or_none(&aspect.model), or_none(&aspect.provider)))
            .line("Context", format!("{:?}", aspect.context_mode).to_lowercase())
            .maybe("Doing", activity.map(|it| it.doing.as_str()))
            .maybe("Tool", activity.and_then(|it| it.tool.as_ref()))
            .maybe("Turns", activity.map(|it| it.turns))
            .maybe("Thread", activity.and_then(|it| it.thread))
            .maybe("Work", activity.map(|it| format!("{} of {} dispatches", it.dispatches, aspect.slots)))
            .at(run, "Last progress", aspect.last_progress)
            .line("Inbox", format!("{} not acknowledged", aspect.backlog))
            .line("Generation", aspect.generation)
            .maybe("Key", key.map(|key| format!("generation {}", key.key_generation)))
            .at(run, "Old key until", key.and_then(|key| key.previous_until))
            .line("Capabilities", or_none(&aspect.capabilities.join(", ")))
            .section("Hands", &hands)
    }

    pub(super) fn of_dispatch(run: &Run, info: &DispatchInfo, below: &[DispatchInfo]) -> Self {
        let took = info.assigned_at.map(|begun| span(info.ended_at.unwrap_or_else(|| run.now()) - begun));
        Self::default()
            .line("Dispatch", info.id)
            .line("Hand", &info.hand)
            .line("State", info.state.as_str())
            .line("For", &info.invoker)
            .maybe("Thread", info.thread)
            .maybe("Parent", info.parent)
            .at(run, "Accepted", Some(info.accepted_at))
            .at(run, "Begun", info.assigned_at)
            .at(run, "Ended", info.ended_at)
            .at(run, "Deadline", Some(info.deadline_at).filter(|_| info.ended_at.is_none()))
            .maybe("Took", took)
            .line("Attempt", info.attempt)
            .spent(&info.usage, info.cost_microusd)
            .section("Details", &look::details(info))
            .dispatches(run, "Work it has given to others", below)
    }

    pub(super) fn of_gather(run: &Run, info: &GatherInfo) -> Self {
        Self::default()
            .line("Gather", info.id)
            .line("State", info.state.as_str())
            .line("For", &info.invoker)
            .line("Needs", format!("{} of {}", info.need, info.members.len()))
            .at(run, "Accepted", Some(info.accepted_at))
            .at(run, "Deadline", Some(info.deadline_at).filter(|_| info.ended_at.is_none()))
            .at(run, "Ended", info.ended_at)
            .section("Dispatches", &table::members(info))
    }

    pub(super) fn of_knowledge(run: &Run, entry: &KnowledgeEntry, versions: &[KnowledgeHead]) -> Self {
        let head = &entry.head;
        Self::default()
            .line("Topic", &head.topic)
            .line("Of", &head.from)
            .line("Version", head.version)
            .at(run, "Stored", Some(head.at))
            .line("Shared", if head.shared { "yes" } else { "no" })
            .line("Bytes", head.bytes)
            .maybe("Found", head.usage.map(|usage| usage.found))
            .maybe("Recalled", head.usage.map(|usage| usage.recalled))
            .section("Text", &printable(&entry.content))
            .section("Versions", &table::knowledge(&run.ui, versions, run.now()))
    }

    pub(super) fn of_skill(skill: &Skill) -> Self {
        let schema = skill.input_schema.as_ref().map(|schema| format!("{schema:#}")).unwrap_or_default();
        Self::default()
            .line("Skill", &skill.name)
            .line("Title", &skill.title)
            .line("For", or_none(&skill.description))
            .line("File", &skill.file)
            .section("Input schema", &printable(&schema))
            .section("Instructions", &printable(skill.instructions.as_deref().unwrap_or_default()))
    }

    pub(super) fn of_message(run: &Run, message: &Message, receipts: &[Receipt]) -> Self {
        let sheet = Self::default()
            .line("Message", message.id)
            .line("From", &message.from)
            .line("To", or_none(&names(&message.to)))
            .at(run, "Sent", Some(message.at))
            .line("Thread", message.thread)
            .maybe("Reply to", message.reply_to);
        let sheet = match &message.meta {
            Some(meta) => sheet
                .line("Model", format!("{}/{}", meta.provider, meta.model))
                .line("Turn", meta.turn)
                .spent(&meta.usage, meta.cost_microusd),
            None => sheet,
        };
        let receipts =
            if receipts.is_empty() { String::new() } else { table::receipts(&run.ui, receipts, run.now()) };
        sheet.section("Text", &printable(&message.content)).section("Receipts", &receipts)
    }

    pub(super) fn of_operator(run: &Run, info: &OperatorInfo, did: &[AuditEntry]) -> Self {
        let tokens = if info.tokens.is_empty() {
            String::new()
        } else {
            table::tokens(&run.ui, &info.tokens, run.now())
        };
        let did = if did.is_empty() { String::new() } else { table::audit(&run.ui, did, &run.zone) };
        Self::default()
            .line("Operator", &info.name)
            .line("Role", table::role(info.role))
            .at(run, "Let in", Some(info.created_at))
            .at(run, "Shut out", info.revoked_at)
            .line("Password", if info.has_password { "yes" } else { "no" })
            .line("Sessions", info.sessions)
            .section("Tokens", &tokens)
            .section("Did last", &did)
    }

    pub(super) fn of_session(run: &Run, of: &AspectName, tree: &SessionTreePage) -> Self {
        let on_branch: Vec<_> = tree.entries.iter().filter(|node| node.active).collect();
        let active = on_branch.len();
        let entries = on_branch[active.saturating_sub(5)..].iter().map(|node| (*node).clone()).collect();
        let last = SessionTreePage { session: tree.session.clone(), head: tree.head, entries, cursor: None };
        Self::default()
            .line("Session", &tree.session)
            .line("Aspect", of)
            .line("Entries", format!("{}, of which {active} on the active branch", tree.entries.len()))
            .maybe("Head", tree.head)
            .at(run, "Begun", tree.entries.first().map(|node| node.at))
            .at(run, "Last", tree.entries.last().map(|node| node.at))
            .section("Last entries", &table::session_tree(&run.ui, &last, run.now()))
    }

    pub(super) fn of_thread(run: &Run, info: &ThreadInfo, messages: &[Message]) -> Self {
        Self::default()
            .line("Thread", info.id)
            .line("Title", &info.title)
            .at(run, "Begun", Some(info.created_at))
            .at(run, "Last", Some(info.last_at))
            .line("Messages", format!("{}, {} unread", info.messages, info.unread))
            .line("With", or_none(&names(&info.participants)))
            .line("Paused", if info.paused { "yes, until an operator speaks in it" } else { "no" })
            .section("Last messages", &table::messages(messages, &run.zone))
    }
}

fn names(parties: &[Party]) -> String {
    parties.iter().map(Party::to_string).collect::<Vec<_>>().join(", ")
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
