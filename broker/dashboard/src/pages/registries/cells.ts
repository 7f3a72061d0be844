/** What a cell says, what is typed into one, and how two versions of a row differ. Pure. */
import type { Registry, RegistryField } from "../../wire/frames";

export type Values = Readonly<Record<string, unknown>>;

/** Longer ones, and those of several lines, are written in the form of the whole row. */
const LONG = 120;

/** As a cell says it, in one line; "" for no value. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** As it stands where it is typed. */
export function typed({ type }: RegistryField, value: unknown): string {
  if (value === undefined || value === null) return "";
  if (type === "json") return JSON.stringify(value, null, 2);
  return show(value);
}

/** What was typed, as the wire has it; `null` for no value. Throws for what cannot be meant. */
export function read(field: RegistryField, text: string): unknown {
  const { type, enum: options = [] } = field;
  if (text.trim() === "") return null;
  if (options.length > 0) return options.find((option) => show(option) === text) ?? text;
  switch (type) {
    case "string":
      return text;
    case "date":
    case "datetime":
      return text.trim();
    case "boolean":
      return text === "true";
    case "integer":
    case "number": {
      const number = Number(text);
      if (!Number.isFinite(number)) throw new Error(`“${text}” is no number`);
      if (type === "integer" && !Number.isSafeInteger(number))
        throw new Error(`“${text}” is no whole number`);
      return number;
    }
    case "json":
      try {
        return JSON.parse(text) as unknown;
      } catch (error) {
        throw new Error(`This is no JSON: ${error instanceof Error ? error.message : ""}`, { cause: error });
      }
  }
}

/** Whether a cell is too small to write it in. */
export function isLong({ type }: RegistryField, value: unknown): boolean {
  const text = show(value);
  return type === "json" || text.length > LONG || text.includes("\n");
}

export const same = (one: unknown, other: unknown) =>
  show(one) === show(other) && typeof one === typeof other;

/** The fields of a registry, what names a row first. */
export function columnsOf({ fields, key }: Registry): RegistryField[] {
  return [...fields.filter(({ name }) => name === key), ...fields.filter(({ name }) => name !== key)];
}

export interface Change {
  field: string;
  before: unknown;
  after: unknown;
}

/** Which values are others; of a row that is new or gone, all it has or had. */
export function changes(before: Values = {}, after: Values = {}): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names
    .map((field) => ({ field, before: before[field], after: after[field] }))
    .filter(({ before, after }) => !same(before, after));
}

export interface Clash {
  field: string;
  before: unknown;
  /** Absent: they are not about to be written. */
  mine?: unknown;
  theirs: unknown;
}

/** What I am about to write and what somebody else has made of it meanwhile, field by field. */
export function clashes(base: Values, mine: Values, theirs: Values): Clash[] {
  const moved = changes(base, theirs).map(({ field }) => field);
  const names = [...new Set([...Object.keys(mine), ...moved])];
  return names.map((field) => ({
    field,
    before: base[field],
    ...(field in mine ? { mine: mine[field] } : {}),
    theirs: theirs[field],
  }));
}
