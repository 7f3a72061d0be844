/** Choosing: one of a list, yes or no, one of a few that stand side by side; and text of several lines. */
import type { ComponentChildren, TextareaHTMLAttributes } from "preact";
import { useId } from "preact/hooks";
import "./choice.css";

export interface Option {
  value: string;
  label: string;
  disabled?: boolean;
}

interface SelectProps {
  label: string;
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  hint?: ComponentChildren;
  disabled?: boolean;
  /** The label is read out and not shown: what is chosen says it. */
  bare?: boolean;
}

export function Select({ label, value, options, onChange, hint, disabled, bare = false }: SelectProps) {
  const id = useId();
  return (
    <div class={bare ? "field field-bare" : "field"}>
      <label for={id} class={bare ? "hidden" : undefined}>
        {label}
      </label>
      <select
        id={id}
        class="input"
        value={value}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : `${id}-about`}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled}>
            {option.label}
          </option>
        ))}
      </select>
      {hint !== undefined && (
        <p id={`${id}-about`} class="field-hint">
          {hint}
        </p>
      )}
    </div>
  );
}

interface CheckProps {
  label: ComponentChildren;
  checked: boolean;
  onChange: (checked: boolean) => void;
  hint?: ComponentChildren;
  disabled?: boolean;
}

export function Check({ label, checked, onChange, hint, disabled }: CheckProps) {
  const id = useId();
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : `${id}-about`}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {hint !== undefined && (
        <p id={`${id}-about`} class="field-hint">
          {hint}
        </p>
      )}
    </div>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}

export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          class="segment"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}

interface AreaProps extends Omit<TextareaHTMLAttributes, "onInput" | "value" | "label"> {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
}

export function Area({ label, value, onInput, hint, ...rest }: AreaProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        {...rest}
        id={id}
        class="input area"
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
        aria-describedby={hint === undefined ? undefined : `${id}-about`}
      />
      {hint !== undefined && (
        <p id={`${id}-about`} class="field-hint">
          {hint}
        </p>
      )}
    </div>
  );
}
