/** Where a value is typed or chosen, by the type of its field. */
import { Area, Select } from "../../ui/choice";
import { Field } from "../../ui/field";
import type { RegistryField } from "../../wire/frames";
import { isLong, show } from "./cells";

interface Props {
  field: RegistryField;
  label: string;
  value: string;
  onInput: (value: string) => void;
  error?: string | undefined;
  /** The label is read out and not shown, and what the field wants is not said. */
  bare?: boolean;
  disabled?: boolean;
  autoFocus?: boolean;
}

const WANTS: Partial<Record<RegistryField["type"], string>> = {
  datetime: "As 2026-11-26T08:00:00+01:00",
  integer: "A whole number",
  json: "JSON",
};

export function Input({
  field,
  label,
  value,
  onInput,
  error,
  bare = false,
  disabled = false,
  autoFocus,
}: Props) {
  const { type, enum: options = [], required = false, unique = false, description = "" } = field;
  const said = [
    description,
    WANTS[type] ?? "",
    required ? "Has to be there" : "",
    unique ? "No two rows have the same" : "",
  ].filter((word) => word !== "");
  const hint = bare || said.length === 0 ? undefined : `${said.join(". ")}.`;
  const about = hint === undefined ? {} : { hint };
  if (options.length > 0 || type === "boolean") {
    const known = type === "boolean" ? ["true", "false"] : options.map(show);
    const all = value === "" || known.includes(value) ? ["", ...known] : ["", value, ...known];
    return (
      <>
        <Select
          bare={bare}
          label={label}
          value={value}
          disabled={disabled}
          options={all.map((value) => ({ value, label: value === "" ? "–" : value }))}
          onChange={onInput}
          {...about}
        />
        <Fault error={error} />
      </>
    );
  }
  if (!bare && isLong(field, value)) {
    return (
      <>
        <Area
          label={label}
          rows={4}
          value={value}
          disabled={disabled}
          onInput={onInput}
          aria-invalid={error !== undefined}
          {...about}
        />
        <Fault error={error} />
      </>
    );
  }
  const numeric = type === "integer" || type === "number";
  return (
    <Field
      bare={bare}
      label={label}
      value={value}
      onInput={onInput}
      error={error}
      disabled={disabled}
      mono={numeric || type === "datetime"}
      type={type === "date" ? "date" : "text"}
      inputMode={numeric ? "decimal" : "text"}
      spellcheck={false}
      autocomplete="off"
      {...(autoFocus === true ? { autoFocus } : {})}
      {...about}
    />
  );
}

function Fault({ error }: { error: string | undefined }) {
  if (error === undefined) return null;
  return <p class="field-error">{error}</p>;
}
