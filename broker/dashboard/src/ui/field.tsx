/** A labelled input, with what it wants and what was wrong with it. */
import type { ComponentChildren, InputHTMLAttributes } from "preact";
import { useId } from "preact/hooks";

interface Props extends Omit<InputHTMLAttributes, "onInput" | "value" | "label"> {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  error?: string | undefined;
  mono?: boolean;
  /** The label is read out and not shown. */
  bare?: boolean;
}

export function Field({ label, value, onInput, hint, error, mono = false, bare = false, ...rest }: Props) {
  const id = useId();
  const about = error !== undefined || hint !== undefined ? `${id}-about` : undefined;
  return (
    <div class={bare ? "field field-bare" : "field"}>
      <label for={id} class={bare ? "hidden" : undefined}>
        {label}
      </label>
      <input
        {...rest}
        id={id}
        class={mono ? "input mono" : "input"}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
        aria-invalid={error !== undefined}
        aria-describedby={about}
      />
      {about !== undefined && (
        <p id={about} class={error === undefined ? "field-hint" : "field-error"}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}
