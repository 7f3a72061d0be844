/** What stands in the form, and the definition it makes. */
import { words } from "../../../ui/format";
import type {
  After,
  AfterEnd,
  Event,
  Every,
  FileChangeKind,
  FilesWatch,
  HookPreset,
  Misfire,
  Overlap,
  Retry,
  Trigger,
  Watch,
  Webhook,
  When,
} from "../../../wire/frames";
import { actOf, type DoForm, doFormOf, doMissing, NO_WORK } from "./act";
import { seconds, span } from "./span";
import { localText, timeOf } from "./text";

/** `kept`: of a kind that this form does not know; it stays as it is. */
export type WhenKind =
  "cron" | "every" | "at" | "event" | "after" | "watch" | "files" | "webhook" | "manual" | "kept";

export interface Form extends DoForm {
  name: string;
  description: string;
  when: WhenKind;
  cron: string;
  timezone: string;
  every: string;
  at: string;
  kinds: string;
  by: string;
  afterWhat: "trigger" | "flow";
  afterTrigger: string;
  afterFlow: string;
  on: AfterEnd;
  url: string;
  lookEvery: string;
  watch: string;
  changes: readonly FileChangeKind[];
  preset: HookPreset;
  secret: string;
  misfire: "once" | "skip" | "all";
  catchUp: string;
  /** Absent: what is usual for its kind. */
  overlap: Overlap | undefined;
  jitter: string;
  retries: string;
  backoff: string;
  expires: string;
}

export type Set = (more: Partial<Form>) => void;

/** What a service tells, or shows, should not be lost because something is at work. */
export function usualOverlap(when: WhenKind): Overlap {
  return when === "watch" || when === "files" || when === "webhook" ? "queue" : "skip";
}

/** Services that make the secret themselves and show it to their user. */
export function bringsItsSecret(preset: HookPreset): boolean {
  return preset === "slack" || preset === "stripe";
}

export const EMPTY: Form = {
  ...NO_WORK,
  name: "",
  description: "",
  when: "cron",
  cron: "0 8 * * 1-5",
  timezone: "",
  every: "1h",
  at: "",
  kinds: "",
  by: "",
  afterWhat: "trigger",
  afterTrigger: "",
  afterFlow: "",
  on: "success",
  url: "",
  lookEvery: "5m",
  watch: "",
  changes: [],
  preset: "github",
  secret: "",
  misfire: "once",
  catchUp: "3",
  overlap: undefined,
  jitter: "",
  retries: "0",
  backoff: "",
  expires: "",
};

/** A definition as the form shows it. */
export function formOf(trigger: Trigger): Form {
  const { misfire = "once", retry, jitter_s = 0, budget, expires_at } = trigger;
  return {
    ...EMPTY,
    ...doFormOf(trigger.do, budget),
    ...whenFormOf(trigger.when),
    name: trigger.name,
    description: trigger.description ?? "",
    timezone: trigger.timezone ?? "",
    overlap: trigger.overlap ?? "skip",
    misfire: typeof misfire === "string" ? misfire : "all",
    catchUp: typeof misfire === "string" ? EMPTY.catchUp : String(misfire.all),
    jitter: jitter_s === 0 ? "" : span(jitter_s),
    retries: String(retry?.max ?? 0),
    backoff: (retry?.backoff_s ?? []).map(span).join(", "),
    expires: localText(expires_at),
  };
}

function whenFormOf(when: When): Partial<Form> {
  if (when === "manual") return { when: "manual" };
  if ("cron" in when) return { when: "cron", cron: when.cron };
  if ("every" in when) return { when: "every", every: span(when.every.seconds) };
  if ("at" in when) return { when: "at", at: localText(when.at) };
  if ("event" in when) return { when: "event", kinds: when.event.kinds.join(", "), by: when.event.by ?? "" };
  if ("after" in when) {
    const { trigger, flow, on = "success" } = when.after;
    const afterWhat = flow === undefined ? "trigger" : "flow";
    return { when: "after", afterWhat, afterTrigger: trigger ?? "", afterFlow: flow ?? "", on };
  }
  if ("watch" in when) return { when: "watch", url: when.watch.url, lookEvery: span(when.watch.every_s) };
  if ("files" in when) return { when: "files", watch: when.files.watch, changes: when.files.kinds ?? [] };
  if ("webhook" in when) return { when: "webhook", preset: when.webhook.preset ?? "generic" };
  return { when: "kept" };
}

/**
 * The definition that the form makes of `base`, the one there was: what the form does not show stays as it is. Throws for what
 * cannot be meant; the broker has the last word on the rest.
 */
export function triggerOf(form: Form, base?: Trigger): Trigger {
  const made: Trigger = {
    ...base,
    name: form.name.trim(),
    when: whenOf(form, base?.when),
    do: actOf(form, base?.do),
    misfire: misfireOf(form),
    overlap: form.overlap ?? usualOverlap(form.when),
    jitter_s: form.jitter.trim() === "" ? 0 : seconds(form.jitter, "Jitter"),
    retry: retryOf(form, base?.retry),
  };
  setOrDrop(made, "description", form.description.trim() || undefined);
  setOrDrop(made, "timezone", form.timezone.trim() || undefined);
  setOrDrop(made, "budget", budgetOf(form, base));
  const expires = form.expires === "" ? undefined : timeOf(form.expires, base?.expires_at, "Ends");
  setOrDrop(made, "expires_at", expires);
  return made;
}

function setOrDrop<K extends "description" | "timezone" | "budget" | "expires_at">(
  made: Trigger,
  field: K,
  value: Trigger[K],
): void {
  if (value === undefined) Reflect.deleteProperty(made, field);
  else made[field] = value;
}

/** What a definition says of each kind: one of them. */
interface Was {
  cron?: string;
  every?: Every;
  at?: number;
  event?: Event;
  after?: After;
  watch?: Watch;
  files?: FilesWatch;
  webhook?: Webhook;
}

function whenOf(form: Form, base: When | undefined): When {
  const was: Was = typeof base === "object" ? base : {};
  switch (form.when) {
    case "cron":
      return { cron: form.cron.trim() };
    case "every": {
      return { every: { ...was.every, seconds: seconds(form.every, "How often") } };
    }
    case "at":
      return { at: timeOf(form.at, was.at, "Time") };
    case "event": {
      const event: Event = { ...was.event, kinds: words(form.kinds) };
      if (event.kinds.length === 0) throw new Error("Kinds: name at least one");
      if (form.by.trim() === "") delete event.by;
      else event.by = form.by.trim();
      return { event };
    }
    case "after": {
      const { on } = form;
      if (form.afterWhat === "flow") return { after: { flow: form.afterFlow, on } };
      return { after: { trigger: form.afterTrigger, on } };
    }
    case "watch": {
      const every_s = seconds(form.lookEvery, "Looked at every");
      return { watch: { ...was.watch, url: addressOf(form.url), every_s } };
    }
    case "files": {
      return { files: { ...was.files, watch: watchOf(form.watch), kinds: [...form.changes] } };
    }
    case "webhook":
      return { webhook: { ...was.webhook, preset: form.preset } };
    case "manual":
      return "manual";
    case "kept":
      if (base === undefined) throw new Error("Say when");
      return base;
  }
}

function addressOf(text: string): string {
  const url = text.trim();
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new Error(`Address: "${url}" is none; write https://host/path`);
  return url;
}

function watchOf(text: string): string {
  const watch = text.trim();
  if (!/^[^/\s]+\/[^/\s]+$/.test(watch))
    throw new Error(`Watch: "${watch}" is none; write the aspect and its watch, such as runner/inbox`);
  return watch;
}

/** A whole number in a range. */
function whole(text: string, field: string, least: number, most: number): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${field}: "${text.trim()}" is no number from ${least} to ${most}`);
  return value;
}

/** As the broker bounds them; it says so itself for everything else. */
const CATCH_UP_MAX = 100;
const RETRIES_MAX = 10;

function misfireOf({ misfire, catchUp }: Form): Misfire {
  return misfire === "all" ? { all: whole(catchUp, "Caught up", 1, CATCH_UP_MAX) } : misfire;
}

function retryOf({ retries, backoff }: Form, base: Retry | undefined): Retry {
  const max = retries.trim() === "" ? 0 : whole(retries, "Tried again", 0, RETRIES_MAX);
  const backoff_s = words(backoff).map((pause) => seconds(pause, "Wait before each"));
  return { ...base, max, backoff_s };
}

/** Only dispatches have one. */
function budgetOf({ does, tokens, dollars }: Form, base: Trigger | undefined): Trigger["budget"] {
  if (does === "kept") return base?.budget;
  if (does !== "dispatch") return undefined;
  const budget = { ...base?.budget };
  if (tokens.trim() === "") delete budget.tokens;
  else budget.tokens = Math.round(amount(tokens, "Tokens"));
  if (dollars.trim() === "") delete budget.cost_microusd;
  else budget.cost_microusd = Math.round(amount(dollars, "Dollars") * 1e6);
  return Object.keys(budget).length === 0 ? undefined : budget;
}

function amount(text: string, field: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${field}: "${text.trim()}" is no number above 0`);
  return value;
}

/** Why it cannot be set yet. */
export function missing(form: Form): string | undefined {
  if (form.name.trim() === "") return "It needs a name";
  return whenMissing(form) ?? doMissing(form);
}

function whenMissing(form: Form): string | undefined {
  switch (form.when) {
    case "cron":
      return form.cron.trim() === "" ? "Say when" : undefined;
    case "every":
      return form.every.trim() === "" ? "Say how often" : undefined;
    case "at":
      return form.at === "" ? "Say when" : undefined;
    case "event":
      return form.kinds.trim() === "" ? "Name a kind of entry" : undefined;
    case "after":
      if (form.afterWhat === "flow") return form.afterFlow === "" ? "Choose a flow" : undefined;
      return form.afterTrigger === "" ? "Choose a trigger" : undefined;
    case "watch":
      if (form.url.trim() === "") return "Name an address";
      return form.lookEvery.trim() === "" ? "Say how often it is looked at" : undefined;
    case "files":
      return form.watch.trim() === "" ? "Name a watch" : undefined;
    case "webhook":
    case "manual":
    case "kept":
      return undefined;
  }
}
