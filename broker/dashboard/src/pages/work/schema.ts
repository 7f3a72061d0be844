/**
 * What an input has to be like, as far as it can be told before it is sent: the broker checks the whole of it. Types,
 * required and unknown fields, and what a value may be. A validator that makes functions of schemas may not run here.
 */

type Schema = Record<string, unknown>;

export interface Found {
  /** A JSON pointer; empty for the whole. */
  at: string;
  message: string;
}

const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const FOUND_MAX = 8;

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value;
}

function fits(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  return typeOf(value) === type;
}

function typesOf(schema: Schema): string[] {
  if (typeof schema.type === "string") return [schema.type];
  return Array.isArray(schema.type) ? schema.type.filter((type) => typeof type === "string") : [];
}

/** What is against it; nothing when nothing can be told. */
export function faults(schema: unknown, value: unknown): Found[] {
  const found: Found[] = [];
  check(schema, value, "", found);
  return found.slice(0, FOUND_MAX);
}

function check(schema: unknown, value: unknown, at: string, found: Found[]): void {
  if (!isObject(schema)) return;
  const types = typesOf(schema);
  if (types.length > 0 && !types.some((type) => fits(value, type))) {
    found.push({ at, message: `has to be ${types.join(" or ")}, and is ${typeOf(value)}` });
    return;
  }
  const same = (one: unknown) => JSON.stringify(one) === JSON.stringify(value);
  if (Array.isArray(schema.enum) && !schema.enum.some(same)) {
    found.push({
      at,
      message: `has to be one of ${schema.enum.map((one) => JSON.stringify(one)).join(", ")}`,
    });
  }
  if (typeof value === "string" && typeof schema.minLength === "number" && value.length < schema.minLength) {
    found.push({ at, message: value === "" ? "is empty" : `needs at least ${schema.minLength} characters` });
  }
  if (isObject(value)) fields(schema, value, at, found);
  if (Array.isArray(value)) value.forEach((one, index) => check(schema.items, one, `${at}/${index}`, found));
}

function fields(schema: Schema, value: Schema, at: string, found: Found[]): void {
  const known = isObject(schema.properties) ? schema.properties : {};
  for (const name of Array.isArray(schema.required) ? schema.required : []) {
    if (typeof name === "string" && !(name in value))
      found.push({ at: `${at}/${name}`, message: "is missing" });
  }
  for (const [name, one] of Object.entries(value)) {
    if (name in known) check(known[name], one, `${at}/${name}`, found);
    else if (schema.additionalProperties === false)
      found.push({ at: `${at}/${name}`, message: "is not known to it" });
  }
}

/** An input to begin with: its required fields, empty. */
export function skeleton(schema: unknown): unknown {
  if (!isObject(schema)) return {};
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0] as unknown;
  const [type] = typesOf(schema);
  switch (type) {
    case "string":
      return "";
    case "integer":
    case "number":
      return typeof schema.minimum === "number" ? schema.minimum : 0;
    case "boolean":
      return false;
    case "array":
      return [];
    case "null":
      return null;
    case undefined:
    default: {
      const known = isObject(schema.properties) ? schema.properties : {};
      const required = Array.isArray(schema.required) ? schema.required : [];
      const names = required.filter((name): name is string => typeof name === "string");
      return Object.fromEntries(names.map((name) => [name, skeleton(known[name])]));
    }
  }
}
