/** A field for a length of time, or for several with commas; it says at once what it cannot take. */
import { asError } from "../../../link/use";
import { Field } from "../../../ui/field";
import { words } from "../../../ui/format";
import { seconds } from "./span";

interface Props {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string;
  placeholder?: string;
  several?: boolean;
}

export function Length({ label, value, onInput, hint, placeholder, several = false }: Props) {
  return (
    <Field
      label={label}
      mono
      value={value}
      onInput={onInput}
      error={fault(several ? words(value) : [value], label)}
      {...(hint === undefined ? {} : { hint })}
      {...(placeholder === undefined ? {} : { placeholder })}
    />
  );
}

function fault(lengths: readonly string[], label: string): string | undefined {
  try {
    for (const length of lengths) if (length.trim() !== "") seconds(length, label);
    return undefined;
  } catch (error) {
    return asError(error).message;
  }
}
