/** New work: for a Hand, or for whoever is best at it; the input checked as far as it can be before it is sent. */
import { useMemo, useState } from "preact/hooks";
import { uuidv7 } from "../../link/ids";
import { link } from "../../link/link";
import { asError } from "../../link/use";
import { team } from "../../state/team";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { FormDialog } from "../../ui/form";
import { Json } from "../../ui/json";
import { toast } from "../../ui/toast";
import type { Dispatch } from "../../wire/frames";
import { type Found, faults, skeleton } from "./schema";
import { NOTHING_WANTED, Needs, type Offer, offers, type WantedForm, wantedOf } from "./wanted";

interface Form extends WantedForm {
  by: "hand" | "need";
  hand: string;
  input: string;
  minutes: string;
  tokens: string;
  dollars: string;
}

/** A number that may be left out. Throws for what is none. */
function amount(text: string, what: string): number | undefined {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${what}: "${text}" is no number above 0`);
  return value;
}

function request(form: Form, input: unknown): Dispatch {
  const minutes = amount(form.minutes, "minutes");
  const tokens = amount(form.tokens, "tokens");
  const dollars = amount(form.dollars, "dollars");
  const budget = {
    ...(tokens === undefined ? {} : { tokens: Math.round(tokens) }),
    ...(dollars === undefined ? {} : { cost_microusd: Math.round(dollars * 1e6) }),
  };
  if (form.by === "hand" && form.hand === "") throw new Error("no Hand is chosen");
  return {
    ...(form.by === "hand" ? { hand: form.hand } : { capability: wantedOf(form) }),
    input,
    ...(minutes === undefined ? {} : { deadline_s: Math.max(1, Math.round(minutes * 60)) }),
    ...(Object.keys(budget).length === 0 ? {} : { budget }),
  };
}

function parse(text: string): { value: unknown } | { wrong: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { wrong: asError(error).message };
  }
}

interface Props {
  onClose: () => void;
  onSent: (dispatch: string) => void;
}

export function Send({ onClose, onSent }: Props) {
  const all = useMemo(() => offers(team.value), [team.value]);
  const [form, setForm] = useState<Form>(() => {
    const first = all.find((it) => !it.offline && it.spec.name !== "self") ?? all[0];
    const input = JSON.stringify(skeleton(first?.spec.input_schema), null, 2);
    const empty = { minutes: "", tokens: "", dollars: "" };
    return { by: "hand", hand: first?.name ?? "", input, ...NOTHING_WANTED, ...empty };
  });
  // An answer that was lost is asked for again under the same id; another form is another request.
  const [id, setId] = useState(() => uuidv7());
  const set = (more: Partial<Form>) => {
    setForm({ ...form, ...more });
    setId(uuidv7());
  };
  const offer = form.by === "hand" ? all.find((it) => it.name === form.hand) : undefined;
  const parsed = parse(form.input);
  const found: Found[] = "value" in parsed ? faults(offer?.spec.input_schema, parsed.value) : [];
  const choose = (name: string) => {
    const untouched = form.input === JSON.stringify(skeleton(offer?.spec.input_schema), null, 2);
    const schema = all.find((it) => it.name === name)?.spec.input_schema;
    set({ hand: name, ...(untouched ? { input: JSON.stringify(skeleton(schema), null, 2) } : {}) });
  };
  const send = async () => {
    if (!("value" in parsed)) throw new Error(`the input is no JSON: ${parsed.wrong}`);
    const { dispatch, chosen, clamped } = await link.ask("dispatch", request(form, parsed.value), id);
    toast(clamped ? `Sent to ${chosen}, with the longest deadline there is` : `Sent to ${chosen}`);
    onClose();
    onSent(dispatch);
  };
  return (
    <FormDialog
      title="New dispatch"
      wide
      action="Send it"
      failed="It was not sent"
      safe="No work has begun."
      onSubmit={send}
      onClose={onClose}
    >
      <div class="choices" role="group" aria-label="For whom">
        <Button pressed={form.by === "hand"} onClick={() => set({ by: "hand" })}>
          For a Hand
        </Button>
        <Button pressed={form.by === "need"} onClick={() => set({ by: "need" })}>
          For whoever can
        </Button>
      </div>
      {form.by === "hand" ? (
        <ChooseHand all={all} offer={offer} onChoose={choose} />
      ) : (
        <Needs form={form} set={set} />
      )}
      <div class="field">
        <label for="send-input">Input (JSON)</label>
        <textarea
          id="send-input"
          class="input mono"
          rows={6}
          spellcheck={false}
          value={form.input}
          onInput={(event) => set({ input: event.currentTarget.value })}
          aria-describedby="send-input-says"
        />
        <div
          id="send-input-says"
          class={"wrong" in parsed || found.length > 0 ? "field-error" : "field-hint"}
        >
          {"wrong" in parsed
            ? `This is no JSON: ${parsed.wrong}`
            : found.length === 0
              ? "Nothing is against it."
              : null}
          {found.map(({ at, message }) => (
            <div key={at}>
              <code>{at === "" ? "the whole" : at}</code> {message}
            </div>
          ))}
        </div>
        {offer?.spec.input_schema !== undefined && (
          <details>
            <summary>What {offer.name} takes</summary>
            <Json value={offer.spec.input_schema} label="Its schema" />
          </details>
        )}
      </div>
      <details>
        <summary>Deadline and budget</summary>
        <div class="fields">
          <Field
            label="Minutes it may take"
            value={form.minutes}
            onInput={(minutes) => set({ minutes })}
            placeholder="30"
          />
          <Field
            label="Tokens it may use"
            value={form.tokens}
            onInput={(tokens) => set({ tokens })}
            placeholder="no limit"
          />
          <Field
            label="Dollars it may cost"
            value={form.dollars}
            onInput={(dollars) => set({ dollars })}
            placeholder="no limit"
          />
        </div>
      </details>
    </FormDialog>
  );
}

interface ChooseProps {
  all: readonly Offer[];
  offer: Offer | undefined;
  onChoose: (name: string) => void;
}

function ChooseHand({ all, offer, onChoose }: ChooseProps) {
  return (
    <div class="field">
      <label for="send-hand">Hand</label>
      <select
        id="send-hand"
        class="input mono"
        value={offer?.name}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {all.map(({ name, offline }) => (
          <option key={name} value={name}>
            {name}
            {offline ? " (offline: the work waits)" : ""}
          </option>
        ))}
      </select>
      <p class="field-hint">
        {all.length === 0
          ? "No aspect has been let in yet. Add one under Settings."
          : (offer?.spec.description ?? "").trim() || "It does not say what it is for."}
      </p>
    </div>
  );
}
