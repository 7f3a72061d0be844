/** The fields of a definition, each with what it has to be; and what is wrong, or would no longer fit, beside it. */
import { Area, Check, Select } from "../../ui/choice";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { type DraftField, type Faults, TYPES, nothing } from "./draft";

interface Props {
  fields: readonly DraftField[];
  faults: Faults;
  onChange: (fields: readonly DraftField[]) => void;
}

const FIELDS_MAX = 64;

export function Fields({ fields, faults, onChange }: Props) {
  const add = () => onChange([...fields, nothing(Math.max(-1, ...fields.map(({ id }) => id)) + 1)]);
  const move = (at: number, by: number) => {
    const next = [...fields];
    const [moved] = next.splice(at, 1);
    if (moved) next.splice(at + by, 0, moved);
    onChange(next);
  };
  return (
    <div class="define-fields">
      {fields.map((field, at) => (
        <One
          key={field.id}
          field={field}
          faults={(part) => faults[`fields[${at}].${part}`]}
          isNew={field.name === "" && at === fields.length - 1 && at > 0}
          onChange={(what) => onChange(fields.map((it, place) => (place === at ? { ...it, ...what } : it)))}
          onUp={at > 0 ? () => move(at, -1) : undefined}
          onDown={at < fields.length - 1 ? () => move(at, 1) : undefined}
          onRemove={fields.length > 1 ? () => onChange(fields.filter((_, place) => place !== at)) : undefined}
        />
      ))}
      <p>
        <Button onClick={add} disabled={fields.length >= FIELDS_MAX}>
          Add a field
        </Button>
      </p>
    </div>
  );
}

interface OneProps {
  field: DraftField;
  faults: (part: string) => readonly string[] | undefined;
  isNew: boolean;
  onChange: (what: Partial<DraftField>) => void;
  onUp: (() => void) | undefined;
  onDown: (() => void) | undefined;
  onRemove: (() => void) | undefined;
}

function One({ field, faults, isNew, onChange, onUp, onDown, onRemove }: OneProps) {
  const { name, type, required, unique, options, description } = field;
  const called = name === "" ? "the new field" : name;
  const plain = type !== "boolean" && type !== "json";
  const wrong = ["rows", "type", "required", "unique", "description"].flatMap((part) => faults(part) ?? []);
  return (
    <fieldset class="define-field">
      <legend class="mono">{name === "" ? "New field" : name}</legend>
      <div class="define-line">
        <Field
          label="Field"
          mono
          value={name}
          error={faults("name")?.join(" ")}
          spellcheck={false}
          autocomplete="off"
          autoFocus={isNew}
          onInput={(name) => onChange({ name })}
        />
        <Select
          label="Type"
          value={type}
          options={TYPES.map((value) => ({ value, label: value }))}
          onChange={(value) => onChange({ type: TYPES.find((it) => it === value) ?? type })}
        />
        <span class="define-checks">
          <Check label="Required" checked={required} onChange={(required) => onChange({ required })} />
          <Check
            label="Unique"
            checked={unique}
            disabled={!plain && !unique}
            onChange={(unique) => onChange({ unique })}
          />
        </span>
        <span class="define-tools">
          <Button
            kind="quiet"
            label={`Move ${called} up`}
            disabled={!onUp}
            onClick={onUp ?? (() => undefined)}
          >
            ↑
          </Button>
          <Button
            kind="quiet"
            label={`Move ${called} down`}
            disabled={!onDown}
            onClick={onDown ?? (() => undefined)}
          >
            ↓
          </Button>
          <Button
            kind="quiet"
            label={`Take ${called} out`}
            disabled={!onRemove}
            onClick={onRemove ?? (() => undefined)}
          >
            ✕
          </Button>
        </span>
      </div>
      <div class="define-line define-more">
        <Field label="About" value={description} onInput={(description) => onChange({ description })} />
        {(plain || options !== "") && (
          <div>
            <Area
              label="Values there may be"
              rows={2}
              value={options}
              spellcheck={false}
              hint="One in a line; none: any of the type."
              aria-invalid={faults("options") !== undefined}
              onInput={(options) => onChange({ options })}
            />
            <Wrong faults={faults("options") ?? []} />
          </div>
        )}
      </div>
      <Wrong faults={wrong} />
    </fieldset>
  );
}

function Wrong({ faults }: { faults: readonly string[] }) {
  if (faults.length === 0) return null;
  return (
    <div class="field-error" role="alert">
      <ul>
        {faults.map((fault) => (
          <li key={fault}>{fault}</li>
        ))}
      </ul>
    </div>
  );
}
