/** When it is: a choice, and what belongs to it. */
import { useId } from "preact/hooks";
import { team } from "../../../state/team";
import { Check, Segments, Select } from "../../../ui/choice";
import { Field } from "../../../ui/field";
import type { AfterEnd, FileChangeKind, HookInfo, HookPreset } from "../../../wire/frames";
import { bringsItsSecret, type Form, type Set, type WhenKind } from "./form";
import { Length } from "./length";

const WHENS: readonly { value: WhenKind; label: string }[] = [
  { value: "cron", label: "By the clock" },
  { value: "every", label: "Again and again" },
  { value: "at", label: "Once" },
  { value: "event", label: "When something comes into the log" },
  { value: "after", label: "After another trigger, or a flow" },
  { value: "watch", label: "When an address changes" },
  { value: "files", label: "When files change" },
  { value: "webhook", label: "By a webhook" },
  { value: "manual", label: "By hand alone" },
];

const ENDS: readonly { value: AfterEnd; label: string }[] = [
  { value: "success", label: "Has ended well" },
  { value: "failure", label: "Has ended badly" },
  { value: "both", label: "Either way" },
];

const CHANGES: readonly FileChangeKind[] = ["created", "modified", "removed"];

const PRESETS: readonly { value: HookPreset; label: string }[] = [
  { value: "github", label: "GitHub" },
  { value: "stripe", label: "Stripe" },
  { value: "slack", label: "Slack" },
  { value: "generic", label: "Another" },
];

interface Props {
  form: Form;
  set: Set;
  /** What it can come after. */
  triggers: readonly string[];
  flows: readonly string[];
  /** How its door stands, where it has one already. */
  hook: HookInfo | undefined;
}

export function When({ form, set, triggers, flows, hook }: Props) {
  const kept = form.when === "kept" ? [{ value: "kept", label: "As it is" }] : [];
  return (
    <>
      <Select
        label="When"
        value={form.when}
        options={[...kept, ...WHENS]}
        onChange={(when) => set({ when: when as WhenKind })}
      />
      <Fields form={form} set={set} triggers={triggers} flows={flows} hook={hook} />
      <Field
        label="Time zone"
        mono
        value={form.timezone}
        onInput={(timezone) => set({ timezone })}
        hint="Of the clock, and of dates in texts. Empty: UTC"
      />
    </>
  );
}

function Fields({ form, set, triggers, flows, hook }: Props) {
  switch (form.when) {
    case "cron":
      return (
        <Field
          label="Minute, hour, day, month, day of week"
          mono
          value={form.cron}
          onInput={(cron) => set({ cron })}
          hint="0 8 * * 1-5 is eight in the morning, Monday to Friday"
        />
      );
    case "every":
      return (
        <Length
          label="How often"
          value={form.every}
          onInput={(every) => set({ every })}
          hint="90s, 10m, 24h: counted from when it was first set, however long the work takes"
        />
      );
    case "at":
      return (
        <Field
          label="Time"
          type="datetime-local"
          step={1}
          value={form.at}
          onInput={(at) => set({ at })}
          hint="Here"
        />
      );
    case "event":
      return (
        <div class="trigger-fields">
          <Field
            label="Kinds"
            mono
            value={form.kinds}
            onInput={(kinds) => set({ kinds })}
            hint="With commas between, such as message, dispatch_ended; Audit shows what there is"
          />
          <Field
            label="Of"
            mono
            value={form.by}
            onInput={(by) => set({ by })}
            hint="Only what they did: wren, operator/ana. Empty: anybody"
          />
        </div>
      );
    case "after":
      return <After form={form} set={set} triggers={triggers} flows={flows} />;
    case "watch":
      return (
        <div class="trigger-fields">
          <Field
            label="Address"
            mono
            type="url"
            value={form.url}
            onInput={(url) => set({ url })}
            placeholder="https://example.com/"
            hint="What is there now is only noted; each change after that counts"
          />
          <Length
            label="Looked at every"
            value={form.lookEvery}
            onInput={(lookEvery) => set({ lookEvery })}
            hint="A minute at least"
          />
        </div>
      );
    case "files":
      return <Files form={form} set={set} />;
    case "webhook":
      return <Hook form={form} set={set} hook={hook} />;
    case "manual":
    case "kept":
      return null;
  }
}

/** What is chosen is among them, also when it is there no more. */
export function among(chosen: string, names: readonly string[]): { value: string; label: string }[] {
  return [...new Set([chosen, ...names])].map((name) => ({ value: name, label: name }));
}

function After({ form, set, triggers, flows }: Omit<Props, "hook">) {
  return (
    <>
      <Segments
        label="After what"
        value={form.afterWhat}
        options={[
          { value: "trigger", label: "A trigger" },
          { value: "flow", label: "A flow" },
        ]}
        onChange={(afterWhat) => set({ afterWhat })}
      />
      {form.afterWhat === "trigger" ? (
        <Select
          label="Trigger before it"
          value={form.afterTrigger}
          options={among(form.afterTrigger, triggers)}
          onChange={(afterTrigger) => set({ afterTrigger })}
        />
      ) : (
        <Select
          label="Flow before it"
          value={form.afterFlow}
          options={among(form.afterFlow, flows)}
          onChange={(afterFlow) => set({ afterFlow })}
          hint="Runs that are a step of another one do not count"
        />
      )}
      <Segments label="How it ended" value={form.on} options={ENDS} onChange={(on) => set({ on })} />
    </>
  );
}

function Files({ form, set }: { form: Form; set: Set }) {
  const id = useId();
  const watches = team.value.flatMap(({ name, watches = [] }) => watches.map((it) => `${name}/${it.name}`));
  const turn = (kind: FileChangeKind, wanted: boolean) =>
    set({ changes: CHANGES.filter((it) => (it === kind ? wanted : form.changes.includes(it))) });
  return (
    <div class="trigger-fields">
      <div>
        <Field
          label="Watch"
          mono
          list={id}
          autocomplete="off"
          value={form.watch}
          onInput={(watch) => set({ watch })}
          placeholder="runner/inbox"
          hint={
            watches.length === 0
              ? "Aspect and watch. No aspect watches anything yet: its settings say what"
              : `There is: ${watches.join(", ")}`
          }
        />
        <datalist id={id}>
          {watches.map((watch) => (
            <option key={watch} value={watch} />
          ))}
        </datalist>
      </div>
      <fieldset class="trigger-changes">
        <legend>Only when they were</legend>
        {CHANGES.map((kind) => (
          <Check
            key={kind}
            label={kind}
            checked={form.changes.includes(kind)}
            onChange={(wanted) => turn(kind, wanted)}
          />
        ))}
        <p class="field-hint">None: in any way</p>
      </fieldset>
    </div>
  );
}

function Hook({ form, set, hook }: { form: Form; set: Set; hook: HookInfo | undefined }) {
  const kept = hook?.secret_since !== undefined;
  return (
    <>
      <Segments
        label="Service"
        value={form.preset}
        options={PRESETS}
        onChange={(preset) => set({ preset, secret: "" })}
      />
      {bringsItsSecret(form.preset) ? (
        <Field
          label="Secret"
          mono
          type="password"
          autocomplete="off"
          value={form.secret}
          onInput={(secret) => set({ secret })}
          hint={
            kept
              ? "Empty: it stays. The one before another one is good for a day more"
              : "The service shows it to you. Until it is here, every request is refused"
          }
        />
      ) : (
        <p class="field-hint">
          {form.preset === "generic" && "Requests are signed as Standard Webhooks says. "}
          {kept ? "Its secret stays as it is." : "Its secret is made, and shown once, when it is set."}
        </p>
      )}
    </>
  );
}
