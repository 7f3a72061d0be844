/** Kinds of the log in words, what an entry is about, and where that can be looked at. */
import { to } from "../../ui/query";
import type { AuditEntry } from "../../wire/frames";

/** What stands between who did it and what it was done to. */
const WORDS: Record<string, string> = {
  "alert.acknowledged": "acknowledged the alert",
  "alert.cleared": "ended the alert",
  "alert.raised": "raised the alert",
  "approval.answered": "answered the question",
  "approval.approved": "approved",
  "approval.asked": "asked people",
  "approval.denied": "denied",
  "approval.expired": "let expire, for nobody answered,",
  "approval.withdrawn": "withdrew the question",
  "aspect.added": "let in the aspect",
  "aspect.changed": "changed the aspect",
  "aspect.held": "holds off the aspect",
  "aspect.key_ended": "ended the old key of",
  "aspect.offline": "went offline",
  "aspect.online": "came online",
  "aspect.paused": "paused the aspect",
  "aspect.rekeyed": "gave a new key to",
  "aspect.released": "released the aspect",
  "aspect.revoked": "shut out the aspect",
  "backup.made": "made the backup",
  "blob.forgotten": "deleted the blob nobody refers to",
  "blob.put": "put the blob",
  "broker.started": "began: the broker was started",
  "budget.cleared": "cleared the budget",
  "budget.day_over": "ended the day for which something was said of spending:",
  "budget.goes_on": "let spending go on:",
  "budget.set": "set the budget",
  "budget.stopped": "stopped spending for today:",
  "credential.added": "added the credential",
  "credential.changed": "changed the credential",
  "credential.fetched": "fetched the credential",
  "credential.removed": "removed the credential",
  "credential.rotated": "gave a new secret to the credential",
  "credential.used": "used the credential",
  "dispatch.accepted": "asked for the dispatch",
  "dispatch.assigned": "assigned the dispatch",
  "dispatch.cancelled": "cancelled the dispatch",
  "dispatch.ended": "ended the dispatch",
  "dispatch.output_refused": "handed in what its schema refuses, of the dispatch",
  "dispatch.waiting": "waits for others, with the dispatch",
  "dispatch.resumed": "went on with the dispatch",
  "dispatch.moved": "gave to another Hand the dispatch",
  "dispatch.retried": "tried again the dispatch",
  "dispatch.work_cancelled": "told its worker to stop the dispatch",
  "dispatch.work_stopped": "stopped work on the dispatch",
  "dispatches.pruned": "forgot ended dispatches",
  "gather.accepted": "asked for the gather",
  "gather.ended": "ended the gather",
  "home.changed": "laid out the home page by",
  "inbox.pruned": "forgot acknowledged items",
  "item.closed": "is done with the item",
  "item.taken": "took up the message",
  "knowledge.deleted": "deleted the entry",
  "knowledge.granted": "granted:",
  "knowledge.revoked": "took back:",
  "knowledge.stored": "stored the entry",
  "log.pruned": "forgot entries of the log",
  message: "said",
  "messages.pruned": "forgot old messages",
  "operator.added": "let in",
  "operator.changed": "changed",
  "operator.invitation_accepted": "accepted an invitation",
  "operator.invitation_revoked": "took back the invitation of",
  "operator.invited": "invited",
  "operator.logged_in": "logged in",
  "operator.logged_out": "logged out",
  "operator.password_set": "set the password of",
  "operator.revoked": "shut out",
  "operator.token_added": "made the API token",
  "operator.token_revoked": "revoked the API token",
  reacted: "reacted to",
  "registry.changed": "changed the row",
  "registry.deleted": "deleted the registry",
  "registry.put": "defined the registry",
  "session.compact": "had the beginning summarised of the session",
  "session.fork": "branched off the session",
  "session.rewind": "went back in the session",
  "session.stuck": "cannot go on with the session",
  "session.summarise": "had a branch summarised of the session",
  "setup.offered": "offered a setup token",
  "setup.used": "became the first admin:",
  "store.restored": "restored a backup",
  "thread.renamed": "renamed the thread",
  "turn.cancel": "cancelled the turns of",
  "turn.go_on": "let go on the turns of",
};

/** What somebody did by themselves: the subject is who did it. */
const ALONE = new Set([
  "aspect.offline",
  "aspect.online",
  "broker.started",
  "operator.invitation_accepted",
  "operator.logged_in",
  "operator.logged_out",
  "setup.offered",
]);

export const isAlone = ({ kind }: { kind: string }) => ALONE.has(kind);

/** Nobody let in did these: what was tried, as the broker saw it. */
const REFUSALS: Record<string, string> = {
  "refused.credential": "A credential that is no good was refused:",
  "refused.credential_use": "was refused, not being among those who may:",
  "refused.forbidden": "was refused what is not theirs to do:",
  "refused.host": "A request for a host this broker does not go by was refused:",
  "refused.more": "Also refused:",
  "refused.origin": "A foreign page's request was refused:",
};

export const FAMILIES = [
  "alert",
  "approval",
  "aspect",
  "blob",
  "broker",
  "budget",
  "credential",
  "dispatch",
  "gather",
  "item",
  "knowledge",
  "message",
  "operator",
  "refused",
  "registry",
  "session",
  "setup",
  "thread",
  "turn",
] as const;

export const isRefusal = ({ kind }: { kind: string }) => kind.startsWith("refused.");

export interface Said {
  /** Who stands before the words; a refusal of a stranger is nobody's act. */
  who: string | undefined;
  words: string;
}

export function said({ kind, actor }: Pick<AuditEntry, "kind" | "actor">): Said {
  const refusal = REFUSALS[kind];
  if (refusal !== undefined) {
    return { who: refusal.startsWith("was ") ? actor : undefined, words: refusal };
  }
  return { who: actor, words: WORDS[kind] ?? kind.replace(/[._]/g, " ") };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const isId = (subject: string) => UUID.test(subject);

/** Where what an entry is about can be looked at; undefined when no page shows it. */
export function address({
  kind,
  subject,
  thread,
}: Pick<AuditEntry, "kind" | "subject" | "thread">): string | undefined {
  const family = kind.split(".", 1)[0] ?? "";
  const inThread = thread === undefined ? undefined : `/chat/${thread}`;
  const part = encodeURIComponent;
  switch (family) {
    case "alert":
      return "/alerts";
    case "aspect":
      return kind === "aspect.revoked" ? "/settings/aspects" : "/team";
    case "approval":
      return `/approvals/${part(subject)}`;
    case "budget":
      return "/usage#budgets";
    case "credential":
      return "/settings/credentials";
    case "dispatch":
      return isId(subject) ? `/work/${subject}` : "/work";
    case "knowledge":
      if (isId(subject)) return to("/knowledge", { entry: subject });
      return to("/knowledge", { view: "grants" });
    case "message":
    case "item":
    case "reacted":
      return inThread;
    case "operator":
    case "setup":
      return "/settings/people";
    case "registry": {
      const [registry = "", ...row] = subject.split("/");
      if (kind === "registry.deleted") return "/registries";
      return to(`/registries/${part(registry)}`, { row: row.join("/") });
    }
    case "session": {
      const [aspect = "", session = ""] = subject.split("/");
      return session === "" ? "/sessions" : `/sessions/${part(aspect)}/${part(session)}`;
    }
    case "turn": {
      const thread = subject.split("/")[1] ?? "";
      return isId(thread) ? `/chat/${thread}` : "/team";
    }
    case "thread":
      return `/chat/${part(subject)}`;
    default:
      return inThread;
  }
}
