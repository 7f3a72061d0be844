// Made from docs/schema by `npm run types`. Not to be edited.

/**
 * Something that waits for people to allow or to answer.
 *
 */
export type ApprovalId = string;
export type Verdict = "approve" | "deny" | "answer";
/**
 * What is asked.
 *
 */
export type Asked =
  | {
      /**
       * What the tool would be called with, as text for people; nothing in it is left out or masked.
       */
      arguments?: string;
      /**
       * What it would do, in a line.
       */
      summary: string;
      tool: string;
      type: "tool";
    }
  | {
      /**
       * Answers that suggest themselves; any other text is one too.
       */
      choices?: string[];
      question: string;
      type: "question";
    };
/**
 * One unit of work sent to a Hand.
 *
 */
export type DispatchId = string;
/**
 * One message of a thread.
 *
 */
export type MessageId = string;
/**
 * A durable conversation.
 *
 */
export type ThreadId = string;
/**
 * What is done, as whoever defined the trigger last.
 *
 */
export type Act =
  | {
      ask: AskAspect;
    }
  | {
      dispatch: DispatchHand;
    }
  | {
      flow: StartFlow;
    };
export type AspectName = string;
export type HandRef = string;
export type FlowName = string;
/**
 * What becomes of slots that were missed, because no broker ran or the machine slept.
 *
 */
export type Misfire =
  | "skip"
  | "once"
  | {
      all: number;
    };
export type TriggerName = string;
/**
 * What becomes of a slot while the work of one before it goes on.
 *
 */
export type Overlap = "skip" | "queue" | "replace" | "allow";
/**
 * When something is done.
 *
 */
export type When =
  | {
      cron: string;
    }
  | {
      every: Every;
    }
  | {
      at: number;
    }
  | {
      event: Event;
    }
  | {
      after: After;
    }
  | {
      watch: Watch;
    }
  | {
      files: FilesWatch;
    }
  | {
      webhook: Webhook;
    }
  | "manual";
export type Party = string;
/**
 * After which ends.
 *
 */
export type AfterEnd = "success" | "failure" | "both";
/**
 * What has become of a file. One that was moved is gone where it was, and new where it is.
 *
 */
export type FileChangeKind = "created" | "modified" | "removed";
export type WatchRef = string;
/**
 * Whose way of signing it is.
 *
 */
export type HookPreset = "generic" | "github" | "slack" | "stripe";
/**
 * When the counting begins anew, in UTC.
 *
 */
export type BudgetPer = "day" | "month";
/**
 * What an admin keeps an aspect from, until it is released.
 *
 */
export type RestraintKind = "held" | "paused";
export type BlobId = string;
/**
 * One turn of an aspect.
 *
 */
export type TurnId = string;
export type HandTarget = string;
/**
 * What a step does.
 *
 */
export type StepAct =
  | {
      approve: StepApprove;
    }
  | {
      ask: StepAsk;
    }
  | {
      dispatch: StepDispatch;
    }
  | {
      flow: StepFlow;
    }
  | {
      wait: StepWait;
    }
  | {
      write: StepWrite;
    };
export type OperatorName = string;
/**
 * What nobody's answer means.
 *
 */
export type OnTimeout = "fail" | "approve";
export type RegistryName = string;
export type StepName = string;
/**
 * What a failure means for the rest of the run.
 *
 */
export type OnError =
  | "fail"
  | "continue"
  | "skip_rest"
  | {
      goto: StepName;
    };
/**
 * How many have to be done.
 *
 */
export type GatherPolicy = ("all" | "first") | "n";
/**
 * Several dispatches taken together.
 *
 */
export type GatherId = string;
/**
 * What became of an inbound item.
 *
 */
export type Decision = "replied" | "acted" | "silent" | "failed";
/**
 * One entry of an inbox. Derived from what it carries, so it survives a restore.
 *
 */
export type ItemId = string;
export type ErrorCode =
  | "already_registered"
  | "bad_frame"
  | "bad_parent"
  | "budget_exceeded"
  | "conflict"
  | "displaced"
  | "forbidden"
  | "held"
  | "home_diverged"
  | "id_reused"
  | "internal"
  | "invalid"
  | "invalid_output"
  | "no_candidate"
  | "not_found"
  | "not_registered"
  | "queue_full"
  | "quota_exceeded"
  | "rate_limited"
  | "shutting_down"
  | "spending_stopped"
  | "stale_token"
  | "storage_unavailable"
  | "thread_paused"
  | "too_deep"
  | "too_large"
  | "unauthorized"
  | "unavailable"
  | "unknown_kind"
  | "unsupported";
/**
 * What a grant allows.
 *
 */
export type KnowledgeMay = "read" | "share";
export type TurnEvent =
  | {
      text: string;
      type: "text";
    }
  | {
      text: string;
      type: "thinking";
    }
  | {
      reason: string;
      type: "restarted";
    }
  | {
      call: string;
      input: unknown;
      name: string;
      type: "tool_call";
    }
  | {
      call: string;
      is_error: boolean;
      name: string;
      /**
       * The beginning of what the tool returned.
       */
      preview: string;
      type: "tool_result";
    };
export type ContextMode = "global" | "thread" | "stateless";
export type HandName = string;
/**
 * One history of an inbox; offsets compare within one epoch only.
 *
 */
export type EpochId = string;
export type WatchName = string;
export type FieldType = ("string" | "number" | "boolean") | "integer" | "date" | "datetime" | "json";
/**
 * A flow at work.
 *
 *
 */
export type RunId = string;
export type Json = unknown;
/**
 * A question to an aspect's process, from one operator.
 *
 */
export type QuestionId = string;
/**
 * By what spending is added up.
 *
 */
export type UsageBy = "aspect" | "hand" | "model" | "day" | "source";
/**
 * What an aspect does, as far as its turns show it.
 *
 */
export type Doing = ("thinking" | "writing" | "tool") | "idle" | "waiting";
export type ItemBody =
  | (Message & {
      type: "message";
    })
  | (Assignment & {
      type: "assignment";
    })
  | (Outcome & {
      type: "result";
    })
  | (GatherResult & {
      type: "gather";
    })
  | (ApprovalEnd & {
      type: "approval";
    })
  | (RunEnd & {
      type: "run";
    })
  | {
      lease: Lease;
      reason: string;
      type: "cancel";
    }
  | {
      lease: Lease;
      type: "resume";
      wait: number;
    }
  | (SessionOrder & {
      type: "session";
    });
/**
 * Where a dispatch stands; the last four are ends.
 *
 */
export type DispatchState =
  | ("done" | "failed" | "timed_out" | "cancelled")
  | "pending"
  | "running"
  | "waiting"
  | "retaking"
  | "unreachable";
/**
 * Where a gather stands; all but `open` are ends.
 *
 */
export type GatherState = "open" | "met" | "failed" | "timed_out" | "cancelled";
/**
 * Where it stands; all but `open` are ends.
 *
 */
export type ApprovalState = ("open" | "approved" | "denied") | "answered" | "expired" | "withdrawn";
/**
 * Where a run stands; `done`, `failed` and `cancelled` are ends.
 *
 */
export type RunState = ("running" | "done" | "failed" | "cancelled") | "waiting";
export type SessionAct =
  | {
      reason?: string;
      thread?: ThreadId;
      turn?: TurnId;
      type: "cancel_turns";
    }
  | {
      type: "compact";
    }
  | {
      entry?: string;
      say?: string;
      type: "fork";
    }
  | {
      thread?: ThreadId;
      type: "go_on";
    }
  | {
      entry?: string;
      type: "rewind";
    }
  | {
      entry: string;
      type: "summarise";
    };
export type LogBody =
  | (Message & {
      type: "message";
    })
  | (InboxClose & {
      type: "item_closed";
    })
  | (InboxTaken & {
      type: "item_taken";
    })
  | (Reacted & {
      type: "reacted";
    })
  | (DispatchInfo & {
      type: "dispatch_accepted";
    })
  | {
      aspect: AspectName;
      attempt: number;
      dispatch: DispatchId;
      type: "dispatch_assigned";
    }
  | (Outcome & {
      type: "dispatch_ended";
    })
  | (AlertNote & {
      type: "alert";
    })
  | {
      kind: string;
      subject: string;
      type: "other";
    };
/**
 * What has led to work.
 *
 */
export type WorkSource =
  | {
      trigger: TriggerName;
    }
  | {
      flow: FlowName;
    };
/**
 * Why a dispatch has not begun.
 *
 */
export type WaitingFor = "budget" | "aspect" | "place" | "turn";
/**
 * Why a candidate was not chosen: the first of these that is true of it. Those up to `input_refused` put it out
 * of question; the others say what the chosen one has before it.
 *
 */
export type Lost =
  | ("offline" | "less_preferred" | "fewer_likes" | "busier")
  | "lacks"
  | "not_allowed"
  | "no_slots"
  | "input_refused"
  | "no_place"
  | "shadow"
  | "later_name";
export type AlertChange = "raised" | "cleared" | "acknowledged";
/**
 * What an alert is about. A *condition* is cleared when it is over; an *event* when it is acknowledged.
 *
 */
export type AlertKind =
  | "approval_waiting"
  | "aspect_deaf"
  | "aspect_failing"
  | "aspect_missing"
  | "aspect_stalled"
  | "budget_exceeded"
  | "budget_spent"
  | "clock_off"
  | "disk_low"
  | "push_given_up"
  | "run_failed"
  | "run_without_output"
  | "session_stuck"
  | "settings_broken"
  | "spending_stopped"
  | "storage"
  | "tenant_down"
  | "thread_paused"
  | "trigger_paused"
  | "watch_failing"
  | "work_waiting"
  | "worker_lost"
  | "workspace_fault";
export type ObservedWhat =
  | (ObserveBegin & {
      type: "begin";
    })
  | (ObserveEvent & {
      type: "event";
    })
  | (ObserveEnd & {
      type: "end";
    })
  | {
      note: string;
      type: "progress";
    };
/**
 * One socket. An aspect that reconnects gets a new one.
 *
 */
export type LinkId = string;
export type AspectRole = "worker" | "frame";
export type AspectState = ("offline" | "online") | "busy" | "stalled" | "deaf";
export type SessionQuestion =
  | {
      one: string;
      other?: string;
      session: string;
      type: "diff";
    }
  | {
      cursor?: string;
      entry: string;
      limit: number;
      session: string;
      type: "expand";
    }
  | {
      cursor?: string;
      limit: number;
      type: "list";
    }
  | {
      cursor?: string;
      limit: number;
      session: string;
      type: "tree";
    }
  | {
      entry: string;
      session: string;
      type: "entry";
    };
/**
 * What ends an alert.
 *
 */
export type AlertNature = "condition" | "event";
/**
 * How much somebody is needed, the worst first.
 *
 */
export type AlertSeverity = "warning" | "urgent" | "note";
/**
 * How far a message has come. Each includes the ones before it.
 *
 */
export type ReceiptState = "stored" | "delivered" | "in_context" | "answered";
/**
 * One version of a knowledge entry.
 *
 */
export type EntryId = string;
/**
 * Where a step of a run stands.
 *
 */
export type StepState = ("pending" | "running" | "done" | "failed" | "cancelled") | "skipped" | "unreached";
/**
 * What a step is at work on.
 *
 */
export type TaskWork =
  | {
      approval: ApprovalId;
    }
  | {
      dispatch: DispatchId;
    }
  | {
      run: RunId;
    }
  | "clock"
  | "event";
export type SessionKind = "global" | "thread" | "fork";
export type SessionCommandState = ("done" | "failed") | "pending";
/**
 * Why a slot is there.
 *
 */
export type Cause =
  | "schedule"
  | {
      person: Party;
    }
  | {
      event: number;
    }
  | {
      after: AfterSlot;
    }
  | {
      after_run: AfterRun;
    }
  | {
      watch: string;
    }
  | {
      files: RequestId;
    }
  | {
      webhook: string;
    };
/**
 * Names one request of one sender; a repeat of it gets the first answer.
 *
 */
export type RequestId = string;
/**
 * Where a slot stands.
 *
 */
export type SlotState = ("running" | "done" | "failed" | "skipped") | "queued" | "retrying" | "cancelled";
/**
 * What was set to work.
 *
 */
export type SlotWork =
  | {
      message: MessageId;
    }
  | {
      dispatch: DispatchId;
    }
  | {
      run: RunId;
    };
/**
 * One trigger, from its first definition to its deletion.
 *
 */
export type TriggerId = string;
export type TriggerStatus = ("active" | "paused") | "done";
export type WatcherState = "watching" | "failing" | "away" | "not_offered";

export interface Everything {
  Asks: Asks;
  Tells: Tells;
  Answers: Answers;
}
export interface Asks {
  ack: Ack;
  "alert.ack": AlertAck;
  "alert.list": AlertList;
  "approval.answer": ApprovalAnswer;
  "approval.ask": ApprovalAsk;
  "approval.get": ApprovalGet;
  "approval.list": ApprovalList;
  "approval.withdraw": ApprovalWithdraw;
  "audit.list": AuditList;
  "budget.clear": BudgetClear;
  "budget.go_on": BudgetGoOn;
  "budget.list": BudgetList;
  "budget.set": BudgetSet;
  "budget.stop": BudgetStop;
  "chat.get": ChatGet;
  "chat.mark": ChatMark;
  "chat.react": ChatReact;
  "aspect.release": AspectRelease;
  "aspect.restrain": AspectRestrain;
  "chat.read": ChatRead;
  "chat.receipts": ChatReceipts;
  "chat.search": ChatSearch;
  "chat.send": ChatSend;
  "chat.threads": ChatThreads;
  deregister: Deregister;
  dispatch: Dispatch;
  "dispatch.cancel": DispatchCancel;
  "dispatch.list": DispatchList;
  "dispatch.progress": DispatchProgress;
  "dispatch.result": DispatchResult;
  "dispatch.retry": DispatchRetry;
  "dispatch.status": DispatchStatus;
  "dispatch.stopped": DispatchStopped;
  "dispatch.wait": DispatchWait;
  "flow.delete": FlowDelete;
  "flow.get": FlowGet;
  "flow.list": FlowList;
  "flow.put": FlowPut;
  gather: Gather;
  "gather.cancel": GatherCancel;
  "gather.list": GatherList;
  "gather.status": GatherStatus;
  "inbox.close": InboxClose;
  "inbox.taken": InboxTaken;
  "knowledge.delete": KnowledgeDelete;
  "knowledge.get": KnowledgeGet;
  "knowledge.grant": KnowledgeGrant;
  "knowledge.grants": KnowledgeGrants;
  "knowledge.history": KnowledgeHistory;
  "knowledge.list": KnowledgeList;
  "knowledge.revoke": KnowledgeRevoke;
  "knowledge.search": KnowledgeSearch;
  "knowledge.store": KnowledgeStore;
  "lease.renew": LeaseRenew;
  "observe.begin": ObserveBegin;
  "observe.end": ObserveEnd;
  "observe.event": ObserveEvent;
  register: Register;
  "registry.delete": RegistryDelete;
  "registry.get": RegistryGet;
  "registry.history": RegistryHistory;
  "registry.list": RegistryList;
  "registry.put": RegistryPut;
  "registry.read": RegistryRead;
  "registry.remove": RegistryRemove;
  "registry.row": RegistryRowGet;
  "registry.write": RegistryWrite;
  "run.cancel": RunCancel;
  "run.get": RunGet;
  "run.list": RunList;
  "run.retry": RunRetry;
  "run.start": RunStart;
  situation: SituationAsk;
  "session.answer": SessionAnswer;
  "session.compact": SessionCompact;
  "session.diff": SessionDiff;
  "session.entry": SessionEntry;
  "session.expand": SessionExpand;
  "session.fork": SessionFork;
  "session.list": SessionList;
  "session.rewind": SessionRewind;
  "session.status": SessionStatus;
  "session.stuck": SessionStuck;
  "session.summarise": SessionSummarise;
  "session.tree": SessionTree;
  "settings.broken": SettingsBroken;
  subscribe: Subscribe;
  "team.list": TeamList;
  "thread.get": ThreadGet;
  "thread.rename": ThreadRename;
  "trigger.delete": TriggerDelete;
  "trigger.fire": TriggerFire;
  "trigger.get": TriggerGet;
  "trigger.history": TriggerHistory;
  "trigger.list": TriggerList;
  "trigger.next": TriggerNext;
  "trigger.pause": TriggerPause;
  "trigger.put": Trigger;
  "trigger.resume": TriggerResume;
  "trigger.rotate": TriggerRotate;
  "turn.cancel": TurnCancel;
  "turn.go_on": TurnGoOn;
  unsubscribe: Unsubscribe;
  "usage.read": UsageRead;
  "watch.changed": WatchChanged;
  "watch.failing": WatchFailing;
}
/**
 * `ack`: every item up to and including `offset` is on the client's disk.
 *
 */
export interface Ack {
  offset: number;
}
/**
 * `alert.ack`: somebody has seen it. An alert about an event is cleared by it.
 *
 */
export interface AlertAck {
  key: string;
}
/**
 * `alert.list`: the latest raised first.
 *
 */
export interface AlertList {
  /**
   * Also those that were cleared.
   */
  all?: boolean;
  /**
   * Only those with a smaller `seq`: the last of the page before.
   */
  before?: number;
  limit?: number;
}
/**
 * `approval.answer`: the first answer counts, and who comes later is shown it.
 *
 */
export interface ApprovalAnswer {
  approval: ApprovalId;
  /**
   * The answer to a question; with a verdict, a word for the model.
   */
  text?: string;
  verdict: Verdict;
}
/**
 * `approval.ask`: an aspect waits for people.
 *
 */
export interface ApprovalAsk {
  asked: Asked;
  /**
   * Seconds until it ends unanswered (24 h; at most 7 days, and at least 1).
   */
  deadline_s?: number;
  lease?: Lease;
  notice?: MessageId;
  thread?: ThreadId;
  trigger?: Trigger;
}
/**
 * The right to work on one attempt of a dispatch: its lease token.
 *
 */
export interface Lease {
  attempt: number;
  dispatch: DispatchId;
}
/**
 * `trigger.put`: define a trigger, or define it anew. The same definition again changes nothing, a changed one
 * keeps what it has done so far, and whether it is paused.
 *
 */
export interface Trigger {
  budget?: Budget;
  /**
   * For people.
   */
  description?: string;
  do: Act;
  /**
   * From here on it does nothing any more.
   */
  expires_at?: number;
  /**
   * Of `trigger.put` alone, and not kept: only if the trigger was defined last at that time, its `defined_at`; 0:
   * only if there is no such trigger.
   */
  if_defined_at?: number;
  /**
   * Each slot is late by up to so many seconds, always by the same: many triggers at eight are not one burst.
   */
  jitter_s?: number;
  misfire?: Misfire;
  name: TriggerName;
  overlap?: Overlap;
  retry?: Retry;
  /**
   * The time zone in which `cron` is read, and on whose clock texts have their `date`, such as `Europe/Berlin`;
   * absent: UTC.
   */
  timezone?: string;
  when: When;
}
/**
 * What may be spent; what is absent is not limited.
 *
 */
export interface Budget {
  /**
   * Millionths of a US dollar. What has no known price counts nothing.
   */
  cost_microusd?: number;
  /**
   * Of all kinds together: input, output, cache reads and cache writes.
   */
  tokens?: number;
}
/**
 * A message to an aspect, in a thread of the trigger's own.
 *
 */
export interface AskAspect {
  aspect: AspectName;
  text: string;
}
/**
 * Work for a Hand. Exactly one of `hand` and `capability`.
 *
 */
export interface DispatchHand {
  capability?: Wanted;
  /**
   * As in `dispatch`.
   */
  deadline_s?: number;
  hand?: HandRef;
  input: unknown;
}
/**
 * What a Hand has to be good at, and what counts for it when several are. Upper and lower case are the same.
 *
 */
export interface Wanted {
  /**
   * Aspects that are taken only if there is nobody else.
   */
  avoid?: AspectName[];
  /**
   * Capabilities that count for it.
   */
  likes?: string[];
  /**
   * Capabilities it has to have, all of them.
   */
  needs?: string[];
  /**
   * Aspects that come before others.
   */
  prefer?: AspectName[];
}
/**
 * A run of a flow.
 *
 */
export interface StartFlow {
  id: FlowName;
  input?: {
    [k: string]: unknown;
  };
}
/**
 * What is done when the work of a slot comes to nothing.
 *
 */
export interface Retry {
  /**
   * Seconds before each time; the last one goes for the rest. Empty: a minute.
   */
  backoff_s?: number[];
  /**
   * How often it is tried again.
   */
  max?: number;
}
/**
 * Counted from the anchor, however long the work takes.
 *
 */
export interface Every {
  /**
   * Absent: when the trigger was first defined.
   */
  anchor?: number;
  seconds: number;
}
/**
 * Which entries of the log are meant; as in `subscribe`. Nothing a trigger has caused fires it again.
 *
 */
export interface Event {
  by?: Party;
  /**
   * At least one: the `type` of a body, or the `kind` of one of type `other`.
   */
  kinds: string[];
  thread?: ThreadId;
}
/**
 * Exactly one of `trigger` and `flow`. Of a flow those runs count that are no step of another one.
 *
 */
export interface After {
  flow?: FlowName;
  on?: AfterEnd;
  trigger?: TriggerName;
}
/**
 * The broker looks at it, and fires once for each change.
 *
 */
export interface Watch {
  /**
   * How often it is looked at.
   */
  every_s: number;
  /**
   * `https://host/path`; where it leads is followed.
   */
  url: string;
}
/**
 * A trigger is fired by the reports of a watch.
 *
 */
export interface FilesWatch {
  /**
   * Only changes of these kinds; empty: of every kind.
   */
  kinds?: FileChangeKind[];
  watch: WatchRef;
}
/**
 * A signed request comes to `POST /hooks/<name of the trigger>`. What it is signed with is for `trigger.rotate`.
 *
 */
export interface Webhook {
  preset?: HookPreset;
}
/**
 * `approval.get`.
 *
 */
export interface ApprovalGet {
  approval: ApprovalId;
}
/**
 * `approval.list`: those that are open, the latest first.
 *
 */
export interface ApprovalList {
  /**
   * Also those that have ended.
   */
  all?: boolean;
  before?: ApprovalId;
  limit?: number;
}
/**
 * `approval.withdraw`: the sender does not wait for it any more.
 *
 */
export interface ApprovalWithdraw {
  approval: ApprovalId;
  reason?: string;
}
/**
 * `audit.list`: rows of the log, the latest first; those that match everything named.
 *
 */
export interface AuditList {
  /**
   * Only rows with a smaller `seq`: `next` of the page before.
   */
  before?: number;
  by?: Party;
  /**
   * A kind, such as `dispatch.ended`, or a family of kinds, such as `dispatch`.
   */
  kind?: string;
  limit?: number;
  /**
   * At this time or later.
   */
  since?: number;
  /**
   * What it was done to: an id or a name.
   */
  subject?: string;
  thread?: ThreadId;
  /**
   * Before this time.
   */
  until?: number;
}
/**
 * `budget.clear`: nothing is limited by it any more.
 *
 */
export interface BudgetClear {
  of?: Party;
  per: BudgetPer;
}
/**
 * `budget.go_on`: a stop is over; and until the day ends (UTC) budgets of a day allow more. It takes the place of what
 * was said before for today.
 *
 */
export interface BudgetGoOn {
  /**
   * Each has so much more money, in millionths of a US dollar.
   */
  cost_microusd?: number;
  /**
   * No budget of a day is looked at.
   */
  unlimited?: boolean;
}
/**
 * `budget.list`.
 *
 */
export interface BudgetList {}
/**
 * `budget.set`: what may be spent for somebody in each day or month; it takes the place of what was set before.
 *
 */
export interface BudgetSet {
  each?: Budget;
  limit: Budget;
  of?: Party;
  per: BudgetPer;
}
/**
 * `budget.stop`: nothing more is spent until the day (UTC) ends, or `budget.go_on`. Work that has not begun waits, and
 * agents begin no call of a model.
 *
 */
export interface BudgetStop {
  reason?: string;
}
/**
 * `chat.get`: one message, with its reactions.
 *
 */
export interface ChatGet {
  message: MessageId;
}
/**
 * `chat.mark`: everything up to `seq` is read. Goes forward only.
 *
 */
export interface ChatMark {
  /**
   * All of it when absent.
   */
  seq?: number;
  thread: ThreadId;
}
/**
 * `chat.react`: put a reaction to a message, or take it back.
 *
 */
export interface ChatReact {
  /**
   * An emoji, or another short sign without spaces.
   */
  emoji: string;
  message: MessageId;
  remove?: boolean;
}
/**
 * `aspect.release`: admins only.
 *
 */
export interface AspectRelease {
  name: AspectName;
}
/**
 * `aspect.restrain`: admins only; it stays until `aspect.release`.
 *
 */
export interface AspectRestrain {
  kind: RestraintKind;
  name: AspectName;
  /**
   * Told to whoever runs into it.
   */
  reason: string;
}
/**
 * `chat.read`: messages of a thread, oldest first. Name the thread, or any message in it.
 *
 */
export interface ChatRead {
  /**
   * Only messages with a larger `seq`.
   */
  after?: number;
  /**
   * Only messages with a smaller `seq`, the last of them first to be chosen: a page counted from the end.
   */
  before?: number;
  limit?: number;
  message?: MessageId;
  thread?: ThreadId;
}
/**
 * `chat.receipts`: how far a message has come with each recipient.
 *
 */
export interface ChatReceipts {
  after?: Party;
  limit?: number;
  message: MessageId;
}
/**
 * `chat.search`: full text over the messages the reader may read, the newest first. The query is as for
 * `knowledge.search`, and any text is one.
 *
 */
export interface ChatSearch {
  by?: Party;
  /**
   * The `next` of the page before.
   */
  cursor?: number;
  limit?: number;
  query: string;
  /**
   * Not older than this.
   */
  since?: number;
  thread?: ThreadId;
  /**
   * Older than this.
   */
  until?: number;
}
/**
 * `chat.send`: post a message.
 *
 */
export interface ChatSend {
  attachments?: Attachment[];
  /**
   * May be empty when there are attachments.
   */
  content: string;
  meta?: ReplyMeta;
  reply_to?: MessageId;
  thread?: ThreadId;
  /**
   * Parties, or `all`. Who is not known comes back in `unknown`.
   */
  to?: string[];
  /**
   * Title of the thread this message opens; the content's first line otherwise.
   */
  topic?: string;
}
/**
 * A file of a message.
 *
 */
export interface Attachment {
  blob: BlobId;
  bytes?: number;
  /**
   * As its sender has it, for example `text/csv`; not to be believed.
   */
  media_type?: string;
  /**
   * What it is called, for people; no path.
   */
  name: string;
}
/**
 * What produced a message, as its aspect tells it.
 *
 */
export interface ReplyMeta {
  /**
   * Millionths of a US dollar; absent when the price is not known.
   */
  cost_microusd?: number;
  model: string;
  /**
   * `scripted` when no model was asked.
   */
  provider: string;
  turn: TurnId;
  usage?: Usage;
}
/**
 * Tokens as the provider counted them; zero where it does not say. `input_tokens` excludes the cached ones.
 *
 */
export interface Usage {
  cache_read_tokens?: number;
  cache_write_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
}
/**
 * `chat.threads`: threads, the latest activity first.
 *
 */
export interface ChatThreads {
  /**
   * Only threads whose `last_seq` is smaller; the `next` of the page before.
   */
  before?: number;
  limit?: number;
  participant?: Party;
  /**
   * Only threads with messages the reader has not read.
   */
  unread?: boolean;
}
/**
 * `deregister`: the process is stopping on purpose.
 *
 */
export interface Deregister {
  reason?: string;
}
/**
 * `dispatch`: send work to a Hand. Exactly one of `hand` and `capability`.
 *
 */
export interface Dispatch {
  budget?: Budget;
  capability?: Wanted;
  /**
   * Seconds from acceptance to the end at the latest. Clamped to the limit, and said so.
   */
  deadline_s?: number;
  hand?: HandTarget;
  input: unknown;
  parent?: Lease;
  parent_used?: Spending;
  /**
   * A skill of the broker's workspace, for an aspect's Hand `self`: `input` follows its schema, and is handed on with the
   * skill's title as `skill` and its text as `instructions`.
   */
  skill?: string;
  thread?: ThreadId;
}
/**
 * What was spent, or is set aside.
 *
 */
export interface Spending {
  cost_microusd?: number;
  tokens?: number;
}
/**
 * `dispatch.cancel`: by the invoker or an operator. Reaches everything below it.
 *
 */
export interface DispatchCancel {
  dispatch: DispatchId;
  reason?: string;
}
/**
 * `dispatch.list`: the latest first, without inputs and outputs.
 *
 */
export interface DispatchList {
  before?: DispatchId;
  /**
   * Only those that failed or timed out and that nobody has tried again.
   */
  dead?: boolean;
  limit?: number;
  /**
   * Only those that have not ended.
   */
  open?: boolean;
  root?: DispatchId;
}
/**
 * `dispatch.progress`: a note for whoever watches. Not kept.
 *
 */
export interface DispatchProgress {
  lease: Lease;
  note: string;
}
/**
 * `dispatch.result`: a worker's answer. Exactly one of `output` and `error`.
 *
 */
export interface DispatchResult {
  cost_microusd?: number;
  error?: HandFailure;
  lease: Lease;
  output?: unknown;
  usage?: Usage;
}
/**
 * Why a dispatch did not end as `done`. `code` is a short snake_case word: the broker's own are
 * `worker_lost`, `timeout`, `deadline`, `cancelled`, `parent_ended`, `hand_gone`, `invalid_output`; others are the
 * Hand's, among them `budget_exceeded`.
 *
 */
export interface HandFailure {
  code: string;
  message: string;
}
/**
 * `dispatch.retry`: do again what failed or timed out. By its invoker or an operator, who becomes the invoker of
 * the new dispatch.
 *
 */
export interface DispatchRetry {
  budget?: Budget;
  /**
   * As for `dispatch`; as long as the first had, when absent.
   */
  deadline_s?: number;
  dispatch: DispatchId;
}
/**
 * `dispatch.status`.
 *
 */
export interface DispatchStatus {
  dispatch: DispatchId;
  /**
   * Without the output, so that an input that was left out for want of room fits.
   */
  without_output?: boolean;
}
/**
 * `dispatch.stopped`: the work that a `cancel` item was about has stopped, having used this.
 *
 */
export interface DispatchStopped {
  cost_microusd?: number;
  lease: Lease;
  usage?: Usage;
}
/**
 * `dispatch.wait`: yield the place until all of `on`, children of this dispatch, have ended. The worker
 * goes on when a `resume` item arrives, not before.
 *
 */
export interface DispatchWait {
  lease: Lease;
  on: DispatchId[];
}
/**
 * `flow.delete`: it can be started no more; runs that have begun go on.
 *
 */
export interface FlowDelete {
  flow: FlowName;
}
/**
 * `flow.get`.
 *
 */
export interface FlowGet {
  flow: FlowName;
}
/**
 * `flow.list`: by id.
 *
 */
export interface FlowList {
  after?: FlowName;
  limit?: number;
}
/**
 * `flow.put`: keep a flow under its id. One that is there is replaced; runs that have begun go on as they began.
 *
 */
export interface FlowPut {
  flow: Flow;
}
/**
 * A flow as it is kept. Conditions are expressions, and texts may have places to fill in; both are written down in
 * the documentation of flows.
 *
 */
export interface Flow {
  /**
   * Of runs that have a text in common here one runs at a time; the others wait for it, in order. With places to
   * fill in.
   */
  concurrency_group?: string[];
  description?: string;
  id: FlowName;
  /**
   * The JSON Schema of what it is started with; absent: anything.
   */
  input?: {
    [k: string]: unknown;
  };
  /**
   * How much of one run is at work at the same time (8).
   */
  max_parallel?: number;
  /**
   * What a run comes to, with places to fill in; absent: null.
   */
  output?: {
    [k: string]: unknown;
  };
  steps: FlowStep[];
  /**
   * The time zone of the days that `date` names, such as `Europe/Berlin`; absent: UTC.
   */
  timezone?: string;
}
export interface FlowStep {
  do: StepAct;
  /**
   * An expression for a list: once for each `item`, whose place in it is `index`. The output is the list of outputs.
   */
  for_each?: string;
  id: StepName;
  /**
   * An expression; false: it is skipped, and what needs it goes on.
   */
  if?: string;
  /**
   * It begins when these have ended.
   */
  needs?: StepName[];
  on_error?: OnError;
  retry?: StepRetry;
  /**
   * Seconds one attempt may take. Of a dispatch it is the deadline, within the limit of dispatches; of an approval
   * it counts as `expires_s` where that is longer, and for nothing with `on_timeout: approve`; whatever else takes
   * longer is a failure with the code `timeout`.
   */
  timeout_s?: number;
}
/**
 * Leave of a person to go on. The output is `{approved, by, text}`; a denial is a failure with the code `denied`.
 *
 */
export interface StepApprove {
  by?: OperatorName;
  /**
   * Seconds it waits for an answer (24 h, at most 7 days).
   */
  expires_s?: number;
  on_timeout?: OnTimeout;
  /**
   * What they are asked, with places to fill in.
   */
  text: string;
}
/**
 * A task for an aspect itself, which is a dispatch to its Hand `self`; its answer is the output.
 *
 */
export interface StepAsk {
  aspect: AspectName;
  /**
   * With places to fill in.
   */
  text: string;
}
/**
 * Work for a Hand. Exactly one of `hand` and `capability`.
 *
 */
export interface StepDispatch {
  capability?: Wanted;
  hand?: HandRef;
  /**
   * With places to fill in.
   */
  input?: {
    [k: string]: unknown;
  };
}
/**
 * A run of another flow, whose output is the output.
 *
 */
export interface StepFlow {
  id: FlowName;
  /**
   * With places to fill in.
   */
  input?: {
    [k: string]: unknown;
  };
}
/**
 * Exactly one of `event`, `seconds` and `until`.
 *
 */
export interface StepWait {
  event?: StepEvent;
  seconds?: number;
  /**
   * A time as RFC 3339 writes it, with places to fill in. One that has passed is now.
   */
  until?: string;
}
/**
 * Which entries of the log are meant; as in `subscribe`.
 *
 */
export interface StepEvent {
  by?: Party;
  /**
   * At least one: the `type` of a body, or the `kind` of one of type `other`.
   */
  kinds: string[];
  thread?: ThreadId;
}
/**
 * A row of a registry, written as `registry.write` does it, by whoever started the run. The output is
 * `{registry, row, version, changed}`.
 *
 */
export interface StepWrite {
  registry: RegistryName;
  /**
   * Which row, with places to fill in.
   */
  row?: string;
  /**
   * Fields by their names, with places to fill in.
   */
  values: {
    [k: string]: unknown;
  };
}
export interface StepRetry {
  /**
   * Seconds before the first of them (10); it doubles each time, up to an hour.
   */
  backoff_s?: number;
  /**
   * How often after the first time, at most 10.
   */
  times: number;
}
/**
 * `gather`: one answer about several dispatches, all of them the sender's own.
 *
 */
export interface Gather {
  /**
   * Whether those still open are cancelled when it ends; absent: unless the policy is `all`.
   */
  cancel_rest?: boolean;
  /**
   * Seconds until it ends at the latest. Clamped to the limit of dispatches, and said so.
   */
  deadline_s?: number;
  dispatches: DispatchId[];
  lease?: Lease;
  n?: number;
  policy?: GatherPolicy;
}
/**
 * `gather.cancel`: end an open gather before it is decided. By its invoker or an operator.
 *
 */
export interface GatherCancel {
  /**
   * Whether its dispatches that are open are cancelled with it; absent: as `gather` said.
   */
  cancel_rest?: boolean;
  gather: GatherId;
  reason?: string;
}
/**
 * `gather.list`: those that are open, the latest first.
 *
 */
export interface GatherList {
  before?: GatherId;
  limit?: number;
}
/**
 * `gather.status`.
 *
 */
export interface GatherStatus {
  gather: GatherId;
}
/**
 * `inbox.close`: the decision on a message item or a session command, once it is on the aspect's own disk.
 *
 */
export interface InboxClose {
  decision: Decision;
  item: ItemId;
  message?: MessageId;
  meta?: ReplyMeta;
  outcome?: SessionOutcome;
  reason?: string;
  spent?: Spending;
}
/**
 * What came of it.
 *
 */
export interface SessionOutcome {
  error?: ErrorBody;
  /**
   * What the next entry of it hangs on; absent before the first.
   */
  head?: string;
  /**
   * The session that was changed, or made.
   */
  session?: string;
  /**
   * The turns that were cancelled, or went on.
   */
  turns?: TurnId[];
}
/**
 * What an `error` reply carries.
 *
 */
export interface ErrorBody {
  code: ErrorCode;
  details?: unknown;
  /**
   * For people: what was wrong, where, and what to do.
   */
  message: string;
  retryable: boolean;
}
/**
 * `inbox.taken`: a message addressed to this aspect has been put before its model.
 *
 */
export interface InboxTaken {
  message: MessageId;
}
/**
 * `knowledge.delete`: a last version that says the entry is gone. Earlier ones stay in its history.
 *
 */
export interface KnowledgeDelete {
  of?: Party;
  topic: string;
}
/**
 * `knowledge.get`: one entry whole.
 *
 */
export interface KnowledgeGet {
  of?: Party;
  topic: string;
  /**
   * An earlier version; the current one when absent.
   */
  version?: number;
}
/**
 * `knowledge.grant` by an operator or an admin.
 *
 */
export interface KnowledgeGrant {
  may: KnowledgeMay;
  of?: Party;
  to: AspectName;
}
/**
 * `knowledge.grants`: what is granted; an aspect sees its own.
 *
 */
export interface KnowledgeGrants {
  to?: AspectName;
}
/**
 * `knowledge.history`: the versions of a topic, the newest first.
 *
 */
export interface KnowledgeHistory {
  cursor?: string;
  limit?: number;
  of?: Party;
  topic: string;
}
/**
 * `knowledge.list`: current entries the reader may read, by author and topic.
 *
 */
export interface KnowledgeList {
  /**
   * Of the page before.
   */
  cursor?: string;
  limit?: number;
  of?: Party;
  /**
   * Only topics that begin so.
   */
  prefix?: string;
}
/**
 * `knowledge.revoke`: what was granted is granted no more. What was stored meanwhile stays as it is.
 *
 */
export interface KnowledgeRevoke {
  may: KnowledgeMay;
  of?: Party;
  to: AspectName;
}
/**
 * `knowledge.search`: full text over what the reader may read, best first.
 *
 * Words all have to occur; `"a phrase"` as it stands; `OR` between alternatives; `-word` excludes;
 * `pre*` matches beginnings. Any text is a valid query.
 *
 */
export interface KnowledgeSearch {
  cursor?: string;
  limit?: number;
  /**
   * Leave out what scores lower.
   */
  min_score?: number;
  of?: Party;
  query: string;
  /**
   * The hits go into a session: they count as recalled.
   */
  recall?: boolean;
}
/**
 * `knowledge.store`: insert, or replace the sender's entry of the same topic.
 *
 */
export interface KnowledgeStore {
  content: string;
  /**
   * Readable by the whole team; needs an operator's grant.
   */
  shared?: boolean;
  topic: string;
}
/**
 * `lease.renew`: these tasks are supervised and alive.
 *
 */
export interface LeaseRenew {
  leases: Lease[];
}
/**
 * `observe.begin`: a turn began, or goes on after a reconnect.
 *
 */
export interface ObserveBegin {
  dispatch?: DispatchId;
  message?: MessageId;
  thread?: ThreadId;
  turn: TurnId;
}
/**
 * `observe.end`.
 *
 */
export interface ObserveEnd {
  cost_microusd?: number;
  decision: Decision;
  n: number;
  turn: TurnId;
  usage?: Usage;
}
/**
 * `observe.event`: the `n`-th thing of the turn, counted from 0.
 *
 */
export interface ObserveEvent {
  event: TurnEvent;
  n: number;
  turn: TurnId;
}
/**
 * `register`: this link speaks for the aspect its token names.
 *
 */
export interface Register {
  /**
   * Go on although the home is older than what the broker has seen of it.
   */
  adopt?: boolean;
  /**
   * As in `settings.broken`.
   */
  broken?: string;
  capabilities?: string[];
  context_mode?: ContextMode;
  hands?: HandSpec[];
  /**
   * The newest link generation this home has seen; 0 for a new one.
   */
  last_generation?: number;
  leases?: HeldLease[];
  model?: string;
  provider?: string;
  resume?: Resume;
  /**
   * Hand tasks this process can run at once.
   */
  slots?: number;
  /**
   * Watches of files whose changes it reports.
   */
  watches?: WatchSpec[];
}
/**
 * A Hand as its aspect declares it.
 *
 */
export interface HandSpec {
  /**
   * Aspects that may dispatch it; absent: any. Operators always may.
   */
  allowed_invokers?: AspectName[];
  capabilities?: string[];
  /**
   * How many dispatches of this Hand may run at once.
   */
  concurrency?: number;
  description?: string;
  /**
   * Whether a second attempt after a lost worker is safe.
   */
  idempotent?: boolean;
  /**
   * JSON Schema of the input and the output; absent: anything.
   */
  input_schema?: {
    [k: string]: unknown;
  };
  name: HandName;
  output_schema?: unknown;
  timeout_s?: number;
}
/**
 * A lease that a registering runtime still holds.
 *
 */
export interface HeldLease {
  lease: Lease;
  /**
   * The task is parked in `dispatch.wait`.
   */
  waiting?: boolean;
}
/**
 * Where a client's copy of its inbox ends.
 *
 */
export interface Resume {
  epoch: EpochId;
  item?: ItemId;
  offset: number;
}
/**
 * A watch as its aspect declares it.
 *
 */
export interface WatchSpec {
  description?: string;
  name: WatchName;
}
/**
 * `registry.delete`: with its rows and their history.
 *
 */
export interface RegistryDelete {
  registry: RegistryName;
}
/**
 * `registry.get`.
 *
 */
export interface RegistryGet {
  registry: RegistryName;
}
/**
 * `registry.history`: changes of rows, the latest first.
 *
 */
export interface RegistryHistory {
  /**
   * Only those before this one: the last of the page before.
   */
  before?: number;
  limit?: number;
  registry: RegistryName;
  /**
   * Only of this one.
   */
  row?: string;
}
/**
 * `registry.list`: by name.
 *
 */
export interface RegistryList {
  after?: RegistryName;
  limit?: number;
}
/**
 * `registry.put`: keep a registry under its name. One that is there is replaced, if the rows there are fit.
 *
 */
export interface RegistryPut {
  /**
   * Rows it begins with, of a registry with a `key`, at most 1 000: those that are not there are written, those
   * that are there stay as they are.
   */
  entries?: {
    [k: string]: unknown;
  }[];
  /**
   * Only if this is the version of the definition; 0: only if there is no such registry.
   */
  if_version?: number;
  registry: Registry;
}
/**
 * A registry as it is kept: what its rows have to be like, and who may write them beside operators.
 *
 */
export interface Registry {
  description?: string;
  /**
   * At most 64.
   */
  fields: RegistryField[];
  /**
   * The field whose value names a row: a text, an integer or a date. Absent: the broker names rows.
   */
  key?: string;
  name: RegistryName;
  /**
   * Aspects that may write and remove rows, at most 64. Everybody may read, operators may write.
   */
  writers?: AspectName[];
}
export interface RegistryField {
  description?: string;
  /**
   * The values there may be, at most 64; empty: any of its type.
   */
  enum?: unknown[];
  /**
   * A lower-case letter, then up to 31 lower-case letters, digits, `_` or `-`.
   */
  name: string;
  /**
   * Every row has it.
   */
  required?: boolean;
  type: FieldType;
  /**
   * No two rows have the same.
   */
  unique?: boolean;
}
/**
 * `registry.read`: rows, by what names them.
 *
 */
export interface RegistryRead {
  /**
   * Only those behind this one: the last of the page before.
   */
  after?: string;
  /**
   * An expression over the fields, as flows have them: `state == "open" and amount > 10`. A field without a value
   * is null.
   */
  filter?: string;
  limit?: number;
  registry: RegistryName;
}
/**
 * `registry.remove`: take a row out. Its history stays.
 *
 */
export interface RegistryRemove {
  /**
   * Only if this is its version.
   */
  if_version?: number;
  registry: RegistryName;
  row: string;
}
/**
 * `registry.row`: one row.
 *
 */
export interface RegistryRowGet {
  registry: RegistryName;
  row: string;
}
/**
 * `registry.write`: a row that is new, or other values for one that is there.
 *
 */
export interface RegistryWrite {
  /**
   * Only if this is the row's version; 0: only if there is no such row.
   */
  if_version?: number;
  registry: RegistryName;
  /**
   * Which row. May be left out where the value of the key field says it; of a registry without a key, for a new row.
   */
  row?: string;
  /**
   * Of a row that is there, what is not named stays as it is, and null takes a value away.
   */
  values: {
    [k: string]: unknown;
  };
}
/**
 * `run.cancel`: end it, what it is at work on, and the runs that are steps of it. By who started it, or an operator.
 *
 */
export interface RunCancel {
  reason?: string;
  run: RunId;
}
/**
 * `run.get`.
 *
 */
export interface RunGet {
  run: RunId;
}
/**
 * `run.list`: the latest first; an aspect is shown its own.
 *
 */
export interface RunList {
  /**
   * Also those that have ended.
   */
  all?: boolean;
  before?: RunId;
  flow?: FlowName;
  limit?: number;
}
/**
 * `run.retry`: run it again, the flow as it was then, keeping what its steps came to before `step`.
 *
 */
export interface RunRetry {
  run: RunId;
  step?: StepName;
}
/**
 * `run.start`: run a flow as it is now, with the rights of the sender.
 *
 */
export interface RunStart {
  flow: FlowName;
  input?: {
    [k: string]: unknown;
  };
  thread?: ThreadId;
}
/**
 * `situation`: the same as `registered` carries, as it is now.
 *
 */
export interface SituationAsk {}
/**
 * `session.answer`: one of the two.
 *
 */
export interface SessionAnswer {
  answer?: Json;
  error?: ErrorBody;
  question: QuestionId;
}
/**
 * `session.compact`: a summary takes the place of the session's beginning in what the model is shown.
 *
 */
export interface SessionCompact {
  of: AspectName;
  session: string;
}
/**
 * `session.diff`: what each of two branches has since they parted.
 *
 */
export interface SessionDiff {
  of: AspectName;
  /**
   * The last entry of one branch.
   */
  one: string;
  /**
   * Of the other. Absent: the session's head.
   */
  other?: string;
  session: string;
}
/**
 * `session.entry`: one entry whole.
 *
 */
export interface SessionEntry {
  entry: string;
  of: AspectName;
  session: string;
}
/**
 * `session.expand`: the entries that a summary stands for.
 *
 */
export interface SessionExpand {
  /**
   * Of the page before.
   */
  cursor?: string;
  /**
   * A `compaction` or a `branch_summary`.
   */
  entry: string;
  limit?: number;
  of: AspectName;
  session: string;
}
/**
 * `session.fork`: a new session of the branch that ends at `entry`.
 *
 */
export interface SessionFork {
  /**
   * Absent: the session's head.
   */
  entry?: string;
  of: AspectName;
  /**
   * What the user says next in it.
   */
  say?: string;
  session: string;
}
/**
 * `session.list`: the sessions of an aspect that is online, the latest first.
 *
 */
export interface SessionList {
  /**
   * Of the page before.
   */
  cursor?: string;
  limit?: number;
  of: AspectName;
}
/**
 * `session.rewind`: the next entry of the session hangs on `entry`. Nothing is removed.
 *
 */
export interface SessionRewind {
  /**
   * Absent: before the first entry.
   */
  entry?: string;
  of: AspectName;
  session: string;
}
/**
 * `session.status`: what is known of a command.
 *
 */
export interface SessionStatus {
  command: ItemId;
}
/**
 * `session.stuck`: the aspect cannot go on with one of its sessions, and somebody has to see to it.
 *
 */
export interface SessionStuck {
  reason: string;
  session: string;
}
/**
 * `session.summarise`: a summary of a branch that was left is put on the active one.
 *
 */
export interface SessionSummarise {
  /**
   * The last entry of that branch.
   */
  entry: string;
  of: AspectName;
  session: string;
}
/**
 * `session.tree`: the entries of a session in the order of its file.
 *
 */
export interface SessionTree {
  cursor?: string;
  limit?: number;
  of: AspectName;
  /**
   * `global`, or the id of a thread or a fork.
   */
  session: string;
}
/**
 * `settings.broken`: whether the files of the aspect's home can be used as they are.
 *
 */
export interface SettingsBroken {
  /**
   * What is wrong with them; the aspect goes on with what it read before. Absent once they are in order.
   */
  reason?: string;
}
/**
 * `subscribe`: follow the log, and what streams. Replaces the link's earlier subscription.
 *
 */
export interface Subscribe {
  /**
   * Also `activity` frames.
   */
  activity?: boolean;
  by?: Party;
  /**
   * Entries after this one; absent: only what comes from now on.
   */
  from_seq?: number;
  /**
   * Only entries of these kinds: the `type` of a body, or the `kind` of one of type `other`. All when empty.
   */
  kinds?: string[];
  /**
   * Also `observe` frames (of that thread).
   */
  observe?: boolean;
  /**
   * With `observe`: what each of these aspects streamed after that `seq` comes first, as far as it is kept; of
   * aspects that are not named, all that is kept. Absent: only what comes from now on.
   */
  observe_from?: {
    [k: string]: number;
  };
  /**
   * Also `roster.changed` frames.
   */
  roster?: boolean;
  thread?: ThreadId;
}
/**
 * `team.list`: by name.
 *
 */
export interface TeamList {
  after?: AspectName;
  /**
   * As many as fit into a frame when absent.
   */
  limit?: number;
}
/**
 * `thread.get`: what is known of a thread, without its messages.
 *
 */
export interface ThreadGet {
  thread: ThreadId;
}
/**
 * `thread.rename`: by whoever takes part, and by operators.
 *
 */
export interface ThreadRename {
  thread: ThreadId;
  title: string;
}
/**
 * `trigger.delete`: the trigger and its history. Work that is under way goes on.
 *
 */
export interface TriggerDelete {
  trigger: TriggerName;
}
/**
 * `trigger.fire`: now, beside its schedule. Also while it is paused.
 *
 */
export interface TriggerFire {
  /**
   * What it is given to work with.
   */
  payload?: {
    [k: string]: unknown;
  };
  trigger: TriggerName;
}
/**
 * `trigger.get`.
 *
 */
export interface TriggerGet {
  trigger: TriggerName;
}
/**
 * `trigger.history`: what became of its slots, the latest first.
 *
 */
export interface TriggerHistory {
  /**
   * Only those before this one: the last of the page before.
   */
  before?: number;
  limit?: number;
  trigger: TriggerName;
}
/**
 * `trigger.list`: by name.
 *
 */
export interface TriggerList {
  after?: TriggerName;
  limit?: number;
}
/**
 * `trigger.next`: when it will be due, as far as that is known.
 *
 */
export interface TriggerNext {
  /**
   * How many times; absent: ten.
   */
  limit?: number;
  trigger: TriggerName;
}
/**
 * `trigger.pause`: its slots are skipped until `trigger.resume`.
 *
 */
export interface TriggerPause {
  reason?: string;
  trigger: TriggerName;
}
/**
 * `trigger.resume`.
 *
 */
export interface TriggerResume {
  trigger: TriggerName;
}
/**
 * `trigger.rotate`: another secret for a webhook trigger. The one before stays good for a while.
 *
 */
export interface TriggerRotate {
  /**
   * For how long the one before is good as well; absent: a day. 0: it is not from now on.
   */
  overlap_s?: number;
  /**
   * What the service signs with; absent: the broker makes one.
   */
  secret?: string;
  trigger: TriggerName;
}
/**
 * `turn.cancel`: turns that an aspect had begun when this was asked end without an answer.
 *
 */
export interface TurnCancel {
  of: AspectName;
  reason?: string;
  thread?: ThreadId;
  turn?: TurnId;
}
/**
 * `turn.go_on`: turns that wait because a budget of the aspect is used up may spend as much again.
 *
 */
export interface TurnGoOn {
  of: AspectName;
  thread?: ThreadId;
}
/**
 * `unsubscribe`: nothing of the link's subscription is sent any more once this is answered.
 *
 */
export interface Unsubscribe {}
/**
 * `usage.read`: tokens and cost of replies, of items that no message answers, and of dispatches that have ended.
 *
 */
export interface UsageRead {
  by?: UsageBy;
  /**
   * At this time or later; absent: from the beginning.
   */
  since?: number;
  /**
   * Before this time.
   */
  until?: number;
}
/**
 * `watch.changed`: what has changed since the report before. The same again, under the same id, does nothing.
 *
 */
export interface WatchChanged {
  /**
   * In the order of their paths.
   */
  changes: FileChange[];
  more?: FileCounts;
  watch: WatchName;
}
export interface FileChange {
  /**
   * The path as it is, in hex, where it is no UTF-8.
   */
  bytes?: string;
  kind: FileChangeKind;
  /**
   * `<root>/<path>`, as the aspect's scripts and file tools take it. What is no UTF-8 in it reads as U+FFFD.
   */
  path: string;
  /**
   * Of the file as it is now; absent for one that is gone.
   */
  size?: number;
}
/**
 * How many changes there are of each kind.
 *
 */
export interface FileCounts {
  created?: number;
  modified?: number;
  removed?: number;
}
/**
 * `watch.failing`: whether the aspect sees the files of a watch.
 *
 */
export interface WatchFailing {
  /**
   * Why it does not. Absent once it does.
   */
  reason?: string;
  watch: WatchName;
}
export interface Tells {
  activity: ActivityChanged;
  "chat.reacted": Reacted;
  deliver: Deliver;
  error: ErrorBody;
  gap: Gap;
  log: LogEntry;
  observe: Observed;
  "observe.gap": ObserveGap;
  ok: Json;
  registered: Registered;
  "roster.changed": RosterChanged;
  "session.ask": SessionAsk;
  shutdown: Shutdown;
  "spending.changed": SpendingChanged;
}
/**
 * `activity`: what one aspect is doing now.
 *
 */
export interface ActivityChanged {
  activity: Activity;
  aspect: AspectName;
}
/**
 * What an aspect is doing now; of several turns, in the one that moved last.
 *
 */
export interface Activity {
  /**
   * What it waits for people for: leave to use a tool, or an answer.
   */
  approvals?: number;
  dispatch?: DispatchId;
  /**
   * Dispatches it is at work on, of as many as it has `slots`.
   */
  dispatches: number;
  doing: Doing;
  /**
   * Since when it does that.
   */
  since: number;
  thread?: ThreadId;
  /**
   * The tool that runs.
   */
  tool?: string;
  turn?: TurnId;
  /**
   * Turns it is in.
   */
  turns: number;
}
/**
 * A reaction came or went: the answer to `chat.react`, what the log has of it, and, as `chat.reacted`, what
 * those who take part in the thread are told while they are connected.
 *
 */
export interface Reacted {
  by: Party;
  emoji: string;
  message: MessageId;
  removed?: boolean;
  thread: ThreadId;
}
/**
 * `deliver`: the item at `offset`, which is on disk.
 *
 */
export interface Deliver {
  item: Item;
  offset: number;
}
/**
 * One entry of an inbox.
 *
 */
export interface Item {
  /**
   * Already closed by this aspect, in a history its home has lost; it starts no turn.
   */
  answered?: boolean;
  at: number;
  body: ItemBody;
  id: ItemId;
  trace?: TraceContext;
}
export interface Message {
  at: number;
  attachments?: Attachment[];
  content: string;
  from: Party;
  id: MessageId;
  meta?: ReplyMeta;
  /**
   * In the answers to `chat.read` and `chat.get` only: a message is sent and logged as it was written.
   */
  reactions?: Reaction[];
  reply_to?: MessageId;
  /**
   * Position in the log; grows over all threads.
   */
  seq: number;
  thread: ThreadId;
  to: Party[];
}
/**
 * One sign, and everybody who put it.
 *
 */
export interface Reaction {
  by: Party[];
  emoji: string;
}
/**
 * What a worker is given.
 *
 */
export interface Assignment {
  budget?: Budget;
  deadline_at: number;
  depth: number;
  hand: HandName;
  input: unknown;
  invoker: Party;
  lease: Lease;
  thread?: ThreadId;
  timeout_s: number;
}
/**
 * How a dispatch ended, as its invoker learns it.
 *
 */
export interface Outcome {
  attempts: number;
  cost_microusd?: number;
  dispatch: DispatchId;
  error?: HandFailure;
  hand: HandRef;
  output?: unknown;
  parent?: DispatchId;
  spent?: Spending;
  state: DispatchState;
  thread?: ThreadId;
  usage?: Usage;
}
/**
 * How a gather ended, as its invoker learns it.
 *
 */
export interface GatherResult {
  gather: GatherId;
  /**
   * Of these the output is not in `outcomes`, for want of room: see their own results.
   */
  left_out?: DispatchId[];
  need: number;
  /**
   * Those that had not; with `cancel_rest` they are cancelled now.
   */
  open: DispatchId[];
  /**
   * Of those that had ended, in the order in which they were named.
   */
  outcomes: Outcome[];
  /**
   * Who cancelled it, and why.
   */
  reason?: string;
  state: GatherState;
}
/**
 * How it ended, as whoever asked learns it. What it withdrew itself it is not told.
 *
 */
export interface ApprovalEnd {
  approval: ApprovalId;
  by?: Party;
  state: ApprovalState;
  text?: string;
}
/**
 * `run`: the end of a run that an aspect has started, in its inbox.
 *
 */
export interface RunEnd {
  error?: HandFailure;
  flow: FlowName;
  output?: unknown;
  /**
   * The output is large; `run.get` has it.
   */
  output_left_out?: boolean;
  run: RunId;
  state: RunState;
  thread?: ThreadId;
}
/**
 * The body of the item: what an aspect is to do with one of its sessions, between turns.
 *
 */
export interface SessionOrder {
  act: SessionAct;
  by: Party;
  session: string;
}
/**
 * whose trace this belongs to, by W3C Trace Context; ignored where it is malformed
 *
 */
export interface TraceContext {
  traceparent: string;
  tracestate?: string;
}
/**
 * `gap`: these offsets cannot be sent any more.
 *
 */
export interface Gap {
  from: number;
  reason: string;
  to: number;
}
/**
 * `log`: one entry.
 *
 */
export interface LogEntry {
  actor: Party;
  at: number;
  body: LogBody;
  seq: number;
  thread?: ThreadId;
}
/**
 * Everything the broker knows of a dispatch.
 *
 */
export interface DispatchInfo {
  accepted_at: number;
  assigned_at?: number;
  attempt: number;
  budget?: Budget;
  capability?: Wanted;
  cost_microusd?: number;
  deadline_at: number;
  depth: number;
  /**
   * Who has worked on it before it went to another, in that order.
   */
  earlier?: EarlierWorker[];
  ended_at?: number;
  error?: HandFailure;
  granted?: Budget;
  hand: HandRef;
  id: DispatchId;
  input?: {
    [k: string]: unknown;
  };
  /**
   * Input and output together are larger than a frame; ask `without_output` to see the input.
   */
  input_left_out?: boolean;
  invoker: Party;
  key: Party;
  output?: unknown;
  parent?: DispatchId;
  retried_as?: DispatchId;
  retry_of?: DispatchId;
  root: DispatchId;
  run?: RunId;
  source?: WorkSource;
  spent?: Spending;
  state: DispatchState;
  stop?: Stop;
  thread?: ThreadId;
  usage?: Usage;
  waiting_for?: WaitingFor;
  /**
   * When it was chosen by capability, as `dispatch` was answered; not in lists.
   */
  why?: Candidate[];
}
/**
 * An aspect from which a dispatch has gone to another one.
 *
 */
export interface EarlierWorker {
  aspect: AspectName;
  /**
   * The last attempt that it has begun.
   */
  attempt: number;
  stop?: Stop;
}
/**
 * The worker of an attempt that is over was told to stop. Nothing of it counts any more, whether it has or not.
 *
 */
export interface Stop {
  attempt: number;
  /**
   * Absent until it says that it has stopped.
   */
  confirmed_at?: number;
  said?: Spending;
  told_at: number;
}
/**
 * A Hand that came into question when one was chosen by capability.
 *
 */
export interface Candidate {
  /**
   * The same in words.
   */
  because?: string;
  hand: HandRef;
  lost?: Lost;
  /**
   * The larger, the better; absent for one that cannot take it at all.
   */
  score?: number;
}
/**
 * What the log says of an alert.
 *
 */
export interface AlertNote {
  change: AlertChange;
  key: string;
  kind: AlertKind;
  message: string;
  subject: string;
}
/**
 * `observe`: what a subscriber is shown of a turn.
 *
 */
export interface Observed {
  aspect: AspectName;
  dispatch?: DispatchId;
  /**
   * Counts what this aspect streams, one by one; it never goes back, and leaps when the broker starts.
   */
  seq?: number;
  thread?: ThreadId;
  turn: TurnId;
  what: ObservedWhat;
}
/**
 * `observe.gap`: these frames of the aspect cannot be had any more, or may never have been.
 *
 */
export interface ObserveGap {
  aspect: AspectName;
  from: number;
  reason: string;
  to: number;
}
/**
 * The answer to `register`.
 *
 */
export interface Registered {
  epoch: EpochId;
  /**
   * Grows with every registration of this aspect.
   */
  generation: number;
  limits?: LinkLimits;
  link: LinkId;
  /**
   * Of the leases named: those no longer good. Stop that work.
   */
  lost: Lease[];
  name: AspectName;
  /**
   * Delivery starts with the item after this one.
   */
  offset: number;
  situation: Situation;
}
/**
 * What holds for whoever speaks on this link.
 *
 */
export interface LinkLimits {
  /**
   * Of a frame that becomes durable or is passed on.
   */
  durable_bytes: number;
  /**
   * Of a frame, in bytes.
   */
  frame_bytes: number;
  /**
   * Items that are delivered before one of them is acknowledged.
   */
  items: number;
  /**
   * How long a lease lasts that is not renewed.
   */
  lease_ms: number;
}
/**
 * What an agent needs to know after a start or a compaction.
 *
 */
export interface Situation {
  /**
   * When its link before this one went; whoever of `team` has a later `since` changed meanwhile. Absent at
   * the first registration, when that link was still up, and when it is asked for later.
   */
  away_since?: number;
  /**
   * Gathers it made that have not ended.
   */
  gathers?: GatherInfo[];
  /**
   * Dispatches it invoked that have not ended.
   */
  open_dispatches: DispatchInfo[];
  spending_stop?: SpendingStop;
  team: AspectInfo[];
  /**
   * The latest threads it takes part in, with how much of each it has not read.
   */
  threads?: ThreadInfo[];
  /**
   * Items waiting after `offset`, or unacknowledged when it is asked for later.
   */
  undelivered: number;
}
/**
 * Everything the broker knows of a gather.
 *
 */
export interface GatherInfo {
  accepted_at: number;
  cancel_rest: boolean;
  clamped: boolean;
  deadline_at: number;
  ended_at?: number;
  id: GatherId;
  invoker: Party;
  members: GatherMember[];
  /**
   * How many have to be done.
   */
  need: number;
  policy: GatherPolicy;
  /**
   * Who cancelled it, and why.
   */
  reason?: string;
  state: GatherState;
}
export interface GatherMember {
  dispatch: DispatchId;
  ended?: DispatchState;
}
/**
 * Nothing is to be spent.
 *
 */
export interface SpendingStop {
  by?: Party;
  reason?: string;
  /**
   * It is over by then, whatever else happens.
   */
  until: number;
}
export interface AspectInfo {
  activity?: Activity;
  /**
   * Items it has not acknowledged.
   */
  backlog: number;
  capabilities: string[];
  context_mode: ContextMode;
  generation: number;
  hands: HandSpec[];
  /**
   * Last token, tool call or frame handled; absent before the first.
   */
  last_progress?: number;
  model: string;
  name: AspectName;
  process?: ProcessInfo;
  provider: string;
  restraint?: Restraint;
  role: AspectRole;
  /**
   * When the state began.
   */
  since: number;
  slots: number;
  state: AspectState;
  /**
   * Watches of files whose changes it reports.
   */
  watches?: WatchSpec[];
}
/**
 * The process of an aspect that the broker runs itself.
 *
 */
export interface ProcessInfo {
  /**
   * How it ended last: `exit status: 1`, `signal: 9 (SIGKILL)`. Absent before the first end.
   */
  last_end?: string;
  /**
   * How often it was started again since the broker began.
   */
  restarts: number;
}
export interface Restraint {
  at: number;
  by: Party;
  kind: RestraintKind;
  reason: string;
}
export interface ThreadInfo {
  created_at: number;
  id: ThreadId;
  last_at: number;
  /**
   * `seq` of its last message.
   */
  last_seq?: number;
  messages: number;
  /**
   * At most 256 of them are listed.
   */
  participants: Party[];
  /**
   * How many more there are.
   */
  participants_left_out?: number;
  /**
   * Paused by the loop guard until an operator speaks.
   */
  paused: boolean;
  title: string;
  /**
   * Messages of others after the reader's read position and after their own last one; 999 stands for more, and 99 in a
   * situation.
   */
  unread?: number;
}
/**
 * `roster.changed`: one aspect as it now stands.
 *
 */
export interface RosterChanged {
  aspect: AspectInfo;
}
/**
 * `session.ask`: a question of an operator, for the aspect's process to answer by `session.answer`.
 *
 */
export interface SessionAsk {
  about: SessionQuestion;
  question: QuestionId;
}
/**
 * `shutdown`: the broker is stopping. What was asked is answered, then the link is closed with code 1001.
 *
 */
export interface Shutdown {
  reason: string;
  /**
   * Dial again after this long.
   */
  retry_after_ms: number;
}
/**
 * `spending.changed`, to every aspect that is connected: whether it may call models.
 *
 */
export interface SpendingChanged {
  stop?: SpendingStop;
}
export interface Answers {
  "alert.ack": Alert;
  "alert.list": AlertPage;
  "approval.answer": ApprovalInfo;
  "approval.ask": ApprovalInfo;
  "approval.get": ApprovalInfo;
  "approval.list": ApprovalPage;
  "approval.withdraw": ApprovalInfo;
  "aspect.release": AspectRestraint;
  "aspect.restrain": AspectRestraint;
  "audit.list": AuditPage;
  "budget.clear": BudgetCleared;
  "budget.go_on": SpendingDay;
  "budget.list": Budgets;
  "budget.set": BudgetInfo;
  "budget.stop": SpendingDay;
  "chat.get": Message;
  "chat.mark": ChatMarked;
  "chat.react": Reacted;
  "chat.read": ChatPage;
  "chat.receipts": ReceiptPage;
  "chat.search": ChatFound;
  "chat.send": ChatSent;
  "chat.threads": ThreadPage;
  dispatch: Dispatched;
  "dispatch.cancel": CancelReceipt;
  "dispatch.list": DispatchPage;
  "dispatch.result": DispatchStanding;
  "dispatch.retry": Dispatched;
  "dispatch.status": DispatchInfo;
  "dispatch.wait": DispatchStanding;
  "flow.delete": FlowDeleted;
  "flow.get": FlowInfo;
  "flow.list": FlowPage;
  "flow.put": FlowStored;
  gather: Gathered;
  "gather.cancel": GatherCancelled;
  "gather.list": GatherPage;
  "gather.status": GatherInfo;
  "knowledge.delete": KnowledgeStored;
  "knowledge.get": KnowledgeEntry;
  "knowledge.grant": KnowledgeGranted;
  "knowledge.grants": KnowledgeGrantPage;
  "knowledge.history": KnowledgePage;
  "knowledge.list": KnowledgePage;
  "knowledge.revoke": KnowledgeGranted;
  "knowledge.search": KnowledgeHits;
  "knowledge.store": KnowledgeStored;
  "lease.renew": LeasesRenewed;
  "registry.delete": RegistryDeleted;
  "registry.get": RegistryInfo;
  "registry.history": RegistryChanges;
  "registry.list": RegistryPage;
  "registry.put": RegistryStored;
  "registry.read": RegistryRows;
  "registry.remove": RegistryRemoved;
  "registry.row": RegistryRow;
  "registry.write": RegistryWritten;
  "run.cancel": RunInfo;
  "run.get": RunDetail;
  "run.list": RunPage;
  "run.retry": RunStarted;
  "run.start": RunStarted;
  "session.compact": SessionOrdered;
  "session.diff": SessionDiffed;
  "session.entry": SessionShown;
  "session.expand": SessionExpanded;
  "session.fork": SessionOrdered;
  "session.list": SessionPage;
  "session.rewind": SessionOrdered;
  "session.status": SessionCommandInfo;
  "session.summarise": SessionOrdered;
  "session.tree": SessionTreePage;
  situation: Situation;
  subscribe: Subscribed;
  "team.list": Team;
  "thread.get": ThreadInfo;
  "thread.rename": ThreadRenamed;
  "trigger.delete": TriggerDeleted;
  "trigger.fire": TriggerFired;
  "trigger.get": TriggerInfo;
  "trigger.history": TriggerSlots;
  "trigger.list": TriggerPage;
  "trigger.next": TriggerPlan;
  "trigger.pause": TriggerInfo;
  "trigger.put": TriggerInfo;
  "trigger.resume": TriggerInfo;
  "trigger.rotate": TriggerRotated;
  "turn.cancel": SessionOrdered;
  "turn.go_on": SessionOrdered;
  "usage.read": UsageReport;
  "watch.changed": WatchTold;
}
/**
 * An alert as it stands.
 *
 */
export interface Alert {
  acked_at?: number;
  acked_by?: Party;
  /**
   * Absent while it is open.
   */
  cleared_at?: number;
  /**
   * `<kind>/<subject>`: the same cause has the same key.
   */
  key: string;
  kind: AlertKind;
  /**
   * What is wrong and what to do.
   */
  message: string;
  nature?: AlertNature;
  raised_at: number;
  /**
   * The log entry that raised it last.
   */
  seq: number;
  severity?: AlertSeverity;
  /**
   * An aspect, a Hand, a thread …, or empty.
   */
  subject: string;
  /**
   * How often it was raised, with another message or anew after it was cleared.
   */
  times: number;
}
export interface AlertPage {
  alerts: Alert[];
  more: boolean;
}
/**
 * Everything the broker knows of it. The answer to `approval.ask`, `approval.answer`, `approval.get` and
 * `approval.withdraw`.
 *
 */
export interface ApprovalInfo {
  asked: Asked;
  asked_at: number;
  aspect: Party;
  by?: Party;
  ended_at?: number;
  expires_at: number;
  id: ApprovalId;
  lease?: Lease;
  notice?: MessageId;
  only?: OperatorName;
  run?: RunId;
  state: ApprovalState;
  /**
   * The answer to a question, or what was said with a verdict.
   */
  text?: string;
  thread?: ThreadId;
  trigger?: Trigger;
}
export interface ApprovalPage {
  approvals: ApprovalInfo[];
  more?: boolean;
}
/**
 * The answer to `aspect.restrain` and `aspect.release`: what is in force.
 *
 */
export interface AspectRestraint {
  aspect: AspectName;
  restraint?: Restraint;
}
export interface AuditPage {
  entries: AuditEntry[];
  more: boolean;
  /**
   * To go on, ask with this as `before`; set when there may be more. A page looks at so many rows of the log and no
   * more: it may end before it is full, and be empty.
   */
  next?: number;
}
/**
 * One durable change: who did what to what, and when.
 *
 */
export interface AuditEntry {
  actor: Party;
  at: number;
  kind: string;
  seq: number;
  /**
   * An id or a name.
   */
  subject: string;
  thread?: ThreadId;
}
/**
 * The answer to `budget.clear`.
 *
 */
export interface BudgetCleared {
  /**
   * Whether there was one.
   */
  cleared: boolean;
}
/**
 * What was said for one day; the answer to `budget.stop` and `budget.go_on`.
 *
 */
export interface SpendingDay {
  at: number;
  by: Party;
  /**
   * Each has so much more.
   */
  cost_microusd?: number;
  stop?: SpendingStop;
  /**
   * No budget of a day is looked at.
   */
  unlimited?: boolean;
  /**
   * The end of that day, in UTC: it ends by itself.
   */
  until: number;
}
/**
 * The answer to `budget.list`: everybody's together first, then by name.
 *
 */
export interface Budgets {
  budgets: BudgetInfo[];
  today?: SpendingDay;
}
/**
 * A budget, and how much of it is spent.
 *
 */
export interface BudgetInfo {
  each: Budget;
  limit: Budget;
  of?: Party;
  per: BudgetPer;
  reserved: Spending;
  set_at: number;
  set_by: Party;
  /**
   * The day or month that is counted, and when the next begins.
   */
  since: number;
  until: number;
  used: Spending;
  /**
   * Dispatches that wait because not enough of it is left.
   */
  waiting: number;
}
/**
 * The answer to `chat.mark`: where the read position is now.
 *
 */
export interface ChatMarked {
  position: number;
  thread: ThreadId;
}
export interface ChatPage {
  gap?: Gap;
  messages: Message[];
  /**
   * There are more behind the last one, or, with `before`, ahead of the first one.
   */
  more: boolean;
  thread: ThreadInfo;
}
export interface ReceiptPage {
  more?: boolean;
  /**
   * In the order of the message's recipients.
   */
  receipts: Receipt[];
}
export interface Receipt {
  /**
   * When it came to be `in_context` or `answered`.
   */
  at?: number;
  decision?: Decision;
  party: Party;
  /**
   * Why, where the recipient said so.
   */
  reason?: string;
  reply?: MessageId;
  state: ReceiptState;
}
export interface ChatFound {
  hits: ChatHit[];
  /**
   * Messages up to this `seq` were looked through: the index follows a moment behind.
   */
  indexed_seq: number;
  more: boolean;
  /**
   * To go on, ask with this as `cursor`; set when there may be more. A page looks at so many messages that match and
   * no more: it may end before it is full, and be empty.
   */
  next?: number;
}
/**
 * A message that was found.
 *
 */
export interface ChatHit {
  at: number;
  from: Party;
  message: MessageId;
  seq: number;
  /**
   * Where the query matches, in pieces.
   */
  snippet: Piece[];
  thread: ThreadId;
  /**
   * Of the thread.
   */
  title: string;
}
/**
 * A piece of a text: what matches, or what stands between.
 *
 */
export interface Piece {
  hit?: boolean;
  text: string;
}
/**
 * The answer to `chat.send`: the message is on disk.
 *
 */
export interface ChatSent {
  message: MessageId;
  recipients: Party[];
  seq: number;
  thread: ThreadId;
  unknown: string[];
}
export interface ThreadPage {
  more?: boolean;
  /**
   * To go on, ask with this as `before`; set when there are more.
   */
  next?: number;
  threads: ThreadInfo[];
}
/**
 * The answer to `dispatch`: the work is on disk and will end.
 *
 */
export interface Dispatched {
  budget?: Budget;
  chosen: HandRef;
  /**
   * The deadline asked for was longer than allowed.
   */
  clamped: boolean;
  deadline_at: number;
  dispatch: DispatchId;
  /**
   * How many of the same key are before it; 0 once it has begun.
   */
  position: number;
  state: DispatchState;
  /**
   * When it was chosen by capability: the chosen one, then the others, the best first, with the reason each
   * lost; at most `CANDIDATES_TOLD_MAX`.
   */
  why?: Candidate[];
}
/**
 * The answer to `dispatch.cancel`: nothing of `cancelled` can deliver a result any more. Each of them is in one
 * of the three lists that follow.
 *
 */
export interface CancelReceipt {
  /**
   * Had ended before the cancel came.
   */
  already_ended: DispatchId[];
  cancelled: DispatchId[];
  /**
   * Nobody was at work on them.
   */
  stopped?: DispatchId[];
  /**
   * Their workers are told to stop and have not said yet that they did.
   */
  unconfirmed?: DispatchId[];
  /**
   * Their workers have no link; they are told once they are back.
   */
  unreachable?: DispatchId[];
}
export interface DispatchPage {
  dispatches: DispatchInfo[];
  more?: boolean;
  next?: DispatchId;
}
/**
 * The answer to `dispatch.result` and `dispatch.wait`: where the dispatch now stands.
 *
 */
export interface DispatchStanding {
  dispatch: DispatchId;
  state: DispatchState;
}
/**
 * The answer to `flow.delete`.
 *
 */
export interface FlowDeleted {
  /**
   * Whether there was one.
   */
  deleted: boolean;
  flow: FlowName;
}
/**
 * The answer to `flow.get`.
 *
 */
export interface FlowInfo {
  at: number;
  by: Party;
  flow: Flow;
  version: number;
}
export interface FlowPage {
  flows: FlowHead[];
  more?: boolean;
}
export interface FlowHead {
  at: number;
  by: Party;
  description: string;
  id: FlowName;
  steps: number;
  version: number;
}
/**
 * The answer to `flow.put`.
 *
 */
export interface FlowStored {
  /**
   * What it names that is not there. It may come, so the flow is kept; a step that finds it missing fails.
   */
  absent?: FlowAbsent[];
  /**
   * Whether it is another one than was there.
   */
  changed: boolean;
  flow: FlowName;
  /**
   * Counts from 1, and goes on after a deletion.
   */
  version: number;
}
/**
 * Something that a step names and that is not there when the flow is put.
 *
 */
export interface FlowAbsent {
  /**
   * Where in the flow: `steps[1].do.ask.aspect`.
   */
  at: string;
  message: string;
}
/**
 * The answer to `gather`.
 *
 */
export interface Gathered {
  /**
   * The deadline asked for was longer than allowed.
   */
  clamped: boolean;
  deadline_at: number;
  gather: GatherId;
  state: GatherState;
}
/**
 * The answer to `gather.cancel`.
 *
 */
export interface GatherCancelled {
  gather: GatherId;
  rest?: CancelReceipt;
  state: GatherState;
}
export interface GatherPage {
  gathers: GatherInfo[];
  more?: boolean;
}
/**
 * The answer to `knowledge.store` and `knowledge.delete`: the version that was made.
 *
 */
export interface KnowledgeStored {
  entry: EntryId;
  /**
   * 1 for a new topic, then counting up.
   */
  version: number;
}
/**
 * An entry's version without its content.
 *
 */
export interface KnowledgeEntry {
  at: number;
  /**
   * Of the content, as UTF-8.
   */
  bytes: number;
  /**
   * Empty when this version is a deletion.
   */
  content: string;
  /**
   * This version is a deletion.
   */
  deleted?: boolean;
  entry: EntryId;
  from: Party;
  shared: boolean;
  topic: string;
  usage?: KnowledgeUsage;
  version: number;
}
/**
 * What became of a topic, all its versions together. Counted in memory and written down every few seconds: a
 * broker that is killed loses the last of it. No query is kept.
 *
 */
export interface KnowledgeUsage {
  /**
   * Times an aspect's search brought it.
   */
  found: number;
  last_recalled_at?: number;
  /**
   * Times it was put into a session at the start of a thread.
   */
  recalled: number;
}
/**
 * The answer to `knowledge.grant` and `knowledge.revoke`.
 *
 */
export interface KnowledgeGranted {
  /**
   * Whether this request changed that.
   */
  changed: boolean;
  /**
   * Whether it holds after this request.
   */
  granted: boolean;
}
export interface KnowledgeGrantPage {
  grants: KnowledgeGrantInfo[];
}
export interface KnowledgeGrantInfo {
  at?: number;
  by?: Party;
  may: KnowledgeMay;
  of?: Party;
  to: AspectName;
}
export interface KnowledgePage {
  /**
   * There are more: ask again with it.
   */
  cursor?: string;
  entries: KnowledgeHead[];
}
/**
 * An entry's version without its content.
 *
 */
export interface KnowledgeHead {
  at: number;
  /**
   * Of the content, as UTF-8.
   */
  bytes: number;
  /**
   * This version is a deletion.
   */
  deleted?: boolean;
  entry: EntryId;
  from: Party;
  shared: boolean;
  topic: string;
  usage?: KnowledgeUsage;
  version: number;
}
export interface KnowledgeHits {
  /**
   * There are more: ask again with it.
   */
  cursor?: string;
  hits: KnowledgeHit[];
}
export interface KnowledgeHit {
  at: number;
  content: string;
  entry: EntryId;
  from: Party;
  /**
   * BM25 over what the reader may read, larger is better.
   */
  score: number;
  shared: boolean;
  /**
   * Where in the content it was found.
   */
  snippet?: SnippetPart[];
  topic: string;
  version: number;
}
export interface SnippetPart {
  /**
   * It matches the query.
   */
  hit?: boolean;
  text: string;
}
/**
 * The answer to `lease.renew`: stop work on `lost`.
 *
 */
export interface LeasesRenewed {
  lost: Lease[];
}
/**
 * The answer to `registry.delete`.
 *
 */
export interface RegistryDeleted {
  /**
   * Whether there was one.
   */
  deleted: boolean;
  registry: RegistryName;
}
/**
 * The answer to `registry.get`.
 *
 */
export interface RegistryInfo {
  at: number;
  by: Party;
  /**
   * Of all rows, as JSON.
   */
  bytes: number;
  registry: Registry;
  rows: number;
  version: number;
}
export interface RegistryChanges {
  changes: RegistryChange[];
  more?: boolean;
}
/**
 * What a change made of a row.
 *
 */
export interface RegistryChange {
  /**
   * Absent: it was removed.
   */
  after?: {
    [k: string]: unknown;
  };
  at: number;
  /**
   * Absent: the row was new.
   */
  before?: {
    [k: string]: unknown;
  };
  by: Party;
  row: string;
  /**
   * Counts the changes of the registry.
   */
  version: number;
}
export interface RegistryPage {
  more?: boolean;
  registries: RegistryHead[];
}
export interface RegistryHead {
  at: number;
  by: Party;
  description: string;
  fields: number;
  name: RegistryName;
  rows: number;
  /**
   * Of the definition.
   */
  version: number;
}
/**
 * The answer to `registry.put`.
 *
 */
export interface RegistryStored {
  /**
   * Whether the definition is another one than was there.
   */
  changed: boolean;
  registry: RegistryName;
  /**
   * Of the definition: counts from 1, and goes on after a deletion.
   */
  version: number;
  /**
   * Entries that were written.
   */
  written: number;
}
export interface RegistryRows {
  more?: boolean;
  rows: RegistryRow[];
}
export interface RegistryRow {
  at: number;
  by: Party;
  /**
   * What names it: the value of the key field as text, or an id.
   */
  row: string;
  values: {
    [k: string]: unknown;
  };
  /**
   * The number of the registry's change that made it what it is.
   */
  version: number;
}
/**
 * The answer to `registry.remove`.
 *
 */
export interface RegistryRemoved {
  registry: RegistryName;
  /**
   * Whether there was one.
   */
  removed: boolean;
  row: string;
}
/**
 * The answer to `registry.write`.
 *
 */
export interface RegistryWritten {
  /**
   * Whether the row is another one than was there.
   */
  changed: boolean;
  registry: RegistryName;
  row: string;
  /**
   * Counts the changes of the registry: the number of the one that made the row what it is.
   */
  version: number;
}
/**
 * Everything about a run but what went in and came out.
 *
 */
export interface RunInfo {
  accepted_at: number;
  /**
   * What its `date` goes by where that is not `accepted_at`: the start of the first run that it tries again.
   */
  as_of?: number;
  began_at?: number;
  by: Party;
  /**
   * The triggers that have led to it, the nearest first; none of them is fired by what it does.
   */
  causes?: TriggerName[];
  /**
   * Runs it is a step of, one within the other.
   */
  depth: number;
  ended_at?: number;
  error?: HandFailure;
  flow: FlowName;
  /**
   * Its concurrency groups, sorted.
   */
  groups?: string[];
  id: RunId;
  parent?: RunParent;
  retried_as?: RunId;
  retry_of?: RunId;
  state: RunState;
  steps: RunStep[];
  /**
   * How many times steps of it, and of the runs within it, were begun; of a run within one, 0.
   */
  tasks: number;
  thread?: ThreadId;
  /**
   * Of the flow.
   */
  version: number;
}
/**
 * Whom a run is a step of.
 *
 */
export interface RunParent {
  index: number;
  run: RunId;
  step: StepName;
}
/**
 * A step of a run.
 *
 */
export interface RunStep {
  began_at?: number;
  ended_at?: number;
  error?: HandFailure;
  /**
   * The runs that its items go on with, by their places.
   */
  goes_on?: {
    [k: string]: RunId;
  };
  id: StepName;
  /**
   * It was done by the run that this one tries again.
   */
  kept?: boolean;
  /**
   * A part of it was done by that run, and is not done again: items of `for_each`, or steps of the run that it is.
   */
  resumed?: boolean;
  state: StepState;
  /**
   * How many times it is done: 1, or as many as `for_each` has items.
   */
  times: number;
}
/**
 * The answer to `run.get`.
 *
 */
export interface RunDetail {
  flow: Flow;
  info: RunInfo;
  input?: {
    [k: string]: unknown;
  };
  output?: unknown;
  /**
   * In the order of the flow's steps.
   */
  tasks: RunTask[];
}
/**
 * One time that a step is done; without `for_each` there is one. Made when it begins.
 *
 */
export interface RunTask {
  /**
   * Counts from 1.
   */
  attempt: number;
  began_at: number;
  /**
   * When it is over, or is tried again, whatever else happens.
   */
  due_at?: number;
  ended_at?: number;
  error?: HandFailure;
  index: number;
  output?: unknown;
  state: StepState;
  step: StepName;
  work?: TaskWork;
}
export interface RunPage {
  more?: boolean;
  runs: RunInfo[];
}
/**
 * The answer to `run.start` and `run.retry`.
 *
 */
export interface RunStarted {
  flow: FlowName;
  run: RunId;
  state: RunState;
  version: number;
}
/**
 * The answer to commands about a session or turns: it is in the aspect's inbox.
 *
 */
export interface SessionOrdered {
  command: ItemId;
}
export interface SessionDiffed {
  /**
   * The last entry that both have; absent when they have none.
   */
  common?: string;
  one: SessionBranch;
  other: SessionBranch;
  session: string;
}
/**
 * A branch from where it parted from another one.
 *
 */
export interface SessionBranch {
  /**
   * The first of them; `left_out` says how many more there are.
   */
  entries: SessionNode[];
  /**
   * Its last entry; absent when it ends before the first.
   */
  leaf?: string;
  left_out?: number;
}
export interface SessionNode {
  /**
   * It is on the branch that ends at the head.
   */
  active: boolean;
  at: number;
  id: string;
  /**
   * As in the session's file: `turn.user`, `turn.assistant` …
   */
  kind: string;
  parent?: string;
  /**
   * What it says, in a line.
   */
  summary: string;
}
export interface SessionShown {
  /**
   * As in the session's file, read back: `{id, parentId, kind, ts, payload}`.
   */
  entry: {
    [k: string]: unknown;
  };
}
export interface SessionExpanded {
  cursor?: string;
  entries: SessionNode[];
  /**
   * The summary.
   */
  entry: string;
  session: string;
}
export interface SessionPage {
  /**
   * There are more: ask again with it.
   */
  cursor?: string;
  sessions: SessionInfo[];
}
export interface SessionInfo {
  /**
   * When it was last written.
   */
  at: number;
  /**
   * Of its file.
   */
  bytes: number;
  kind: SessionKind;
  /**
   * `global`, or the id of the thread or the fork.
   */
  session: string;
}
/**
 * The answer to `session.status`.
 *
 */
export interface SessionCommandInfo {
  act: SessionAct;
  at: number;
  by: Party;
  command: ItemId;
  ended_at?: number;
  of: AspectName;
  outcome?: SessionOutcome;
  session: string;
  state: SessionCommandState;
}
export interface SessionTreePage {
  cursor?: string;
  entries: SessionNode[];
  /**
   * The next entry hangs on this one; absent before the first.
   */
  head?: string;
  session: string;
}
/**
 * The answer to `subscribe`.
 *
 */
export interface Subscribed {
  /**
   * The newest entry when the subscription began.
   */
  head: number;
  /**
   * With `observe`: the `seq` of what each aspect had streamed last by then.
   */
  observed?: {
    [k: string]: number;
  };
}
export interface Team {
  aspects: AspectInfo[];
  more?: boolean;
}
/**
 * The answer to `thread.rename`.
 *
 */
export interface ThreadRenamed {
  thread: ThreadId;
  title: string;
}
/**
 * The answer to `trigger.delete`.
 *
 */
export interface TriggerDeleted {
  /**
   * Whether there was one.
   */
  deleted: boolean;
}
/**
 * The answer to `trigger.fire`.
 *
 */
export interface TriggerFired {
  slot: TriggerSlot;
  trigger: TriggerName;
}
/**
 * The one record of a slot; or of several in a row, when many were skipped for one reason.
 *
 */
export interface TriggerSlot {
  /**
   * When that was decided.
   */
  at: number;
  /**
   * How often it was tried.
   */
  attempts: number;
  /**
   * It had been missed.
   */
  caught_up?: boolean;
  cause: Cause;
  /**
   * How many slots it is about.
   */
  count: number;
  /**
   * When it goes on by itself: is tried again, or given up.
   */
  due?: number;
  ended_at?: number;
  /**
   * Counts the records of a trigger, from 1.
   */
  no: number;
  /**
   * Why it was skipped, cancelled, or came to nothing.
   */
  reason?: string;
  /**
   * When it was due by the schedule, or came.
   */
  slot: number;
  state: SlotState;
  /**
   * The last one, where the record is about several.
   */
  until?: number;
  work?: SlotWork;
}
export interface AfterSlot {
  no: number;
  trigger: TriggerName;
}
export interface AfterRun {
  flow: FlowName;
  run: RunId;
}
/**
 * A trigger as it stands.
 *
 */
export interface TriggerInfo {
  created_at: number;
  /**
   * When the definition changed last; no two definitions of a trigger have the same.
   */
  defined_at: number;
  definition: Trigger;
  /**
   * Attempts in a row that came to nothing.
   */
  failures: number;
  hook?: HookInfo;
  id: TriggerId;
  /**
   * Its next slot, if it has a schedule; `jitter_s` makes it later.
   */
  next?: number;
  owner: Party;
  /**
   * Why it is paused or done.
   */
  reason?: string;
  /**
   * The number of its last record.
   */
  slots: number;
  status: TriggerStatus;
  thread?: ThreadId;
  watch?: WatchInfo;
  watcher?: WatcherInfo;
}
/**
 * How the door of a webhook trigger stands.
 *
 */
export interface HookInfo {
  /**
   * Where its requests go.
   */
  path: string;
  /**
   * Until when the secret before that is good as well.
   */
  previous_until?: number;
  /**
   * Since when its secret is the one it is; absent: there is none yet, and every request is refused.
   */
  secret_since?: number;
}
/**
 * What is known of the address of a watch.
 *
 */
export interface WatchInfo {
  /**
   * Why the last of them did.
   */
  error?: string;
  /**
   * Looks in a row that came to nothing.
   */
  failures?: number;
  seen?: Seen;
  /**
   * Since when that is known.
   */
  since?: number;
}
/**
 * What tells one state of an address from another.
 *
 */
export interface Seen {
  etag?: string;
  last_modified?: string;
  /**
   * Of the body, in hex.
   */
  sha256: string;
  status: number;
  /**
   * Of its first MiB: there is more.
   */
  truncated?: boolean;
}
/**
 * Whether somebody looks at the files that a trigger waits for.
 *
 */
export interface WatcherInfo {
  /**
   * Why nobody does, and what to do.
   */
  reason?: string;
  state: WatcherState;
}
/**
 * The answer to `trigger.history`.
 *
 */
export interface TriggerSlots {
  more?: boolean;
  slots: TriggerSlot[];
}
/**
 * The answer to `trigger.list`.
 *
 */
export interface TriggerPage {
  more?: boolean;
  triggers: TriggerInfo[];
}
/**
 * The answer to `trigger.next`.
 *
 */
export interface TriggerPlan {
  /**
   * Why there are none, or what keeps them from happening.
   */
  note?: string;
  slots: PlannedSlot[];
}
export interface PlannedSlot {
  /**
   * With what `jitter_s` adds.
   */
  due: number;
  slot: number;
}
/**
 * The answer to `trigger.rotate`.
 *
 */
export interface TriggerRotated {
  /**
   * Where its requests go.
   */
  path: string;
  previous_until?: number;
  /**
   * The secret that the broker made: shown here and never again.
   */
  secret?: string;
  trigger: TriggerName;
  /**
   * The same with the address under which this Nexus is known outside, where that is configured.
   */
  url?: string;
}
/**
 * Days in their order; everything else by cost, the dearest first.
 *
 */
export interface UsageReport {
  by: UsageBy;
  /**
   * There were more rows than are shown.
   */
  more: boolean;
  rows: UsageRow[];
  total: UsageRow;
}
/**
 * What one key spent.
 *
 */
export interface UsageRow {
  /**
   * Items that no message answers and whose `inbox.close` says what was used.
   */
  closings?: number;
  cost_microusd: number;
  /**
   * Dispatches that have ended.
   */
  dispatches: number;
  key: string;
  /**
   * Replies that say what they used.
   */
  messages: number;
  /**
   * Of the messages, closings and dispatches: those that used tokens and whose price is not known.
   */
  unpriced: number;
  usage: Usage;
}
/**
 * The answer to `watch.changed`: it is on disk.
 *
 */
export interface WatchTold {
  /**
   * Those that have a slot for it.
   */
  triggers: TriggerName[];
}
