/** What is seldom wanted: what becomes of slots that were missed or come too soon, of work that fails, and for how long. */
import { Select } from "../../../ui/choice";
import { Field } from "../../../ui/field";
import type { Overlap } from "../../../wire/frames";
import { type Form, type Set, usualOverlap } from "./form";
import { Length } from "./length";

const MISFIRES = [
  { value: "once", label: "The last one is caught up" },
  { value: "skip", label: "None is caught up" },
  { value: "all", label: "The last ones are caught up" },
];

const OVERLAPS: readonly { value: Overlap; label: string }[] = [
  { value: "skip", label: "The new one is skipped" },
  { value: "queue", label: "The new one waits" },
  { value: "replace", label: "The one before is cancelled" },
  { value: "allow", label: "Both go on" },
];

export function More({ form, set }: { form: Form; set: Set }) {
  return (
    <details class="trigger-more">
      <summary>More</summary>
      <div class="trigger-fields">
        <Select
          label="Slots that were missed"
          value={form.misfire}
          options={MISFIRES}
          onChange={(misfire) => set({ misfire: misfire as Form["misfire"] })}
        />
        {form.misfire === "all" && (
          <Field
            label="Caught up"
            mono
            inputMode="numeric"
            value={form.catchUp}
            onInput={(catchUp) => set({ catchUp })}
            hint="As many as this"
          />
        )}
        <Select
          label="While the one before is at work"
          value={form.overlap ?? usualOverlap(form.when)}
          options={OVERLAPS}
          onChange={(overlap) => set({ overlap: overlap as Overlap })}
        />
        <Length
          label="Jitter"
          value={form.jitter}
          onInput={(jitter) => set({ jitter })}
          placeholder="none"
          hint="Each slot is late by up to this long, always by the same"
        />
        <Field
          label="Tried again"
          mono
          inputMode="numeric"
          value={form.retries}
          onInput={(retries) => set({ retries })}
          hint="So often, when its work comes to nothing"
        />
        <Length
          label="Wait before each"
          several
          value={form.backoff}
          onInput={(backoff) => set({ backoff })}
          placeholder="1m"
          hint="10s, 1m: the last one goes for the rest"
        />
        {form.does === "dispatch" && (
          <>
            <Length
              label="It may take"
              value={form.deadline}
              onInput={(deadline) => set({ deadline })}
              placeholder="30m"
              hint="Each dispatch"
            />
            <Field
              label="Tokens it may use"
              mono
              inputMode="numeric"
              value={form.tokens}
              onInput={(tokens) => set({ tokens })}
              placeholder="no limit"
              hint="Each dispatch"
            />
            <Field
              label="Dollars it may cost"
              mono
              inputMode="decimal"
              value={form.dollars}
              onInput={(dollars) => set({ dollars })}
              placeholder="no limit"
              hint="Each dispatch"
            />
          </>
        )}
        <Field
          label="Ends"
          type="datetime-local"
          step={1}
          value={form.expires}
          onInput={(expires) => set({ expires })}
          hint="From then on it does nothing. Empty: never"
        />
        <Field
          label="Description"
          value={form.description}
          onInput={(description) => set({ description })}
          hint="What it is for"
        />
      </div>
    </details>
  );
}
