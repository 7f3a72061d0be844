/** A new trigger: when, and who is set to work with what. */
import { useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { asError, useAsk } from "../../link/use";
import { team } from "../../state/team";
import { Area, Segments, Select } from "../../ui/choice";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { toast } from "../../ui/toast";
import type { Act, Trigger, When } from "../../wire/frames";

const WHENS = [
  { value: "cron", label: "By the clock" },
  { value: "every", label: "Every" },
  { value: "at", label: "Once" },
  { value: "manual", label: "By hand" },
] as const;

const DOES = [
  { value: "ask", label: "Ask an aspect" },
  { value: "dispatch", label: "Send work to a Hand" },
  { value: "flow", label: "Run a flow" },
] as const;

/** Flows there are to choose from. */
const FLOWS = 200;

interface Form {
  name: string;
  when: (typeof WHENS)[number]["value"];
  cron: string;
  timezone: string;
  minutes: string;
  at: string;
  does: (typeof DOES)[number]["value"];
  aspect: string;
  text: string;
  hand: string;
  flow: string;
  input: string;
}

/** Throws for what cannot be meant. The broker has the last word on the rest. */
function request(form: Form): Trigger {
  const timezone =
    form.when === "cron" && form.timezone.trim() !== "" ? { timezone: form.timezone.trim() } : {};
  return { name: form.name.trim(), when: times(form), do: work(form), ...timezone };
}

function times({ when, cron, minutes, at }: Form): When {
  switch (when) {
    case "cron":
      return { cron: cron.trim() };
    case "every": {
      const seconds = Math.round(Number(minutes) * 60);
      if (!(seconds > 0)) throw new Error(`"${minutes}" is no number of minutes above 0`);
      return { every: { seconds } };
    }
    case "at": {
      const time = new Date(at).getTime();
      if (Number.isNaN(time)) throw new Error("say when it is to happen");
      return { at: time };
    }
    case "manual":
      return "manual";
  }
}

function work({ does, aspect, text, hand, flow, input }: Form): Act {
  if (does === "ask") return { ask: { aspect, text } };
  try {
    const given = JSON.parse(input) as Record<string, unknown>;
    return does === "flow" ? { flow: { id: flow, input: given } } : { dispatch: { hand, input: given } };
  } catch (error) {
    throw new Error(`the input is no JSON: ${asError(error).message}`, { cause: error });
  }
}

function missing(form: Form): string | undefined {
  if (form.name.trim() === "") return "It needs a name";
  if (form.when === "cron" && form.cron.trim() === "") return "Say when";
  if (form.when === "every" && form.minutes.trim() === "") return "Say how often";
  if (form.when === "at" && form.at === "") return "Say when";
  if (form.does === "ask" && (form.aspect === "" || form.text.trim() === "")) return "Say whom, and what";
  if (form.does === "dispatch" && form.hand === "") return "Choose a Hand";
  if (form.does === "flow" && form.flow === "") return "Choose a flow";
  return undefined;
}

interface Props {
  onClose: () => void;
  onMade: (name: string) => void;
}

export function NewTrigger({ onClose, onMade }: Props) {
  const aspects = team.value;
  const hands = aspects.flatMap(({ name, hands }) => hands.map((spec) => `${name}/${spec.name}`));
  const { value: flows } = useAsk("flow.list", { limit: FLOWS });
  const [form, setForm] = useState<Form>(() => ({
    name: "",
    when: "cron",
    cron: "0 8 * * 1-5",
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    minutes: "60",
    at: "",
    does: "ask",
    aspect: aspects[0]?.name ?? "",
    text: "",
    hand: hands[0] ?? "",
    flow: "",
    input: "{}",
  }));
  // Another form is another request; the same one sent again is not.
  const [id, setId] = useState(() => uuidv7());
  const set = (more: Partial<Form>) => {
    setForm({ ...form, ...more });
    setId(uuidv7());
  };
  const make = async () => {
    const made = await link.ask("trigger.put", request(form), id);
    toast(`${made.definition.name} is set`);
    onMade(made.definition.name);
    onClose();
  };
  return (
    <FormDialog
      title="New trigger"
      action="Set"
      wide
      missing={missing(form)}
      failed="The trigger was not set"
      onSubmit={make}
      onClose={onClose}
    >
      <Field
        label="Name"
        mono
        autoFocus
        value={form.name}
        onInput={(name) => set({ name })}
        hint="Small letters, digits and hyphens. One of that name is defined anew."
      />
      <Segments label="When" value={form.when} options={WHENS} onChange={(when) => set({ when })} />
      <Times form={form} set={set} />
      <Segments label="What it does" value={form.does} options={DOES} onChange={(does) => set({ does })} />
      {form.does === "ask" ? (
        <>
          <Select
            label="Aspect"
            value={form.aspect}
            options={aspects.map(({ name }) => ({ value: name, label: name }))}
            onChange={(aspect) => set({ aspect })}
          />
          <Area label="Text" rows={4} value={form.text} onInput={(text) => set({ text })} />
        </>
      ) : (
        <>
          {form.does === "dispatch" ? (
            <Select
              label="Hand"
              value={form.hand}
              options={hands.map((hand) => ({ value: hand, label: hand }))}
              onChange={(hand) => set({ hand })}
            />
          ) : (
            <Select
              label="Flow"
              value={form.flow}
              options={["", ...(flows?.flows ?? []).map(({ id }) => id)].map((id) => ({
                value: id,
                label: id,
              }))}
              onChange={(flow) => set({ flow })}
            />
          )}
          <Area label="Input (JSON)" rows={4} value={form.input} onInput={(input) => set({ input })} />
        </>
      )}
    </FormDialog>
  );
}

function Times({ form, set }: { form: Form; set: (more: Partial<Form>) => void }) {
  switch (form.when) {
    case "cron":
      return (
        <div class="trigger-fields">
          <Field
            label="Minute, hour, day, month, day of week"
            mono
            value={form.cron}
            onInput={(cron) => set({ cron })}
            hint="0 8 * * 1-5 is eight in the morning, Monday to Friday"
          />
          <Field
            label="Time zone"
            mono
            value={form.timezone}
            onInput={(timezone) => set({ timezone })}
            hint="Empty: UTC"
          />
        </div>
      );
    case "every":
      return (
        <Field
          label="Minutes"
          mono
          value={form.minutes}
          onInput={(minutes) => set({ minutes })}
          hint="Counted from now, however long the work takes"
        />
      );
    case "at":
      return (
        <Field label="Time" type="datetime-local" value={form.at} onInput={(at) => set({ at })} hint="Here" />
      );
    case "manual":
      return null;
  }
}
