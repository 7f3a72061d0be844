/** An entry of a session as it is read: its blocks, by kind. What is not as the format says is shown as it stands. */

import { money } from "../../ui/format";

export type Part =
  | { type: "text"; text: string }
  | { type: "thinking"; text: string }
  | { type: "call"; name: string; input: unknown }
  | { type: "result"; text: string; failed: boolean; json: unknown; diff: string | undefined }
  | { type: "summary"; text: string }
  | { type: "note"; text: string }
  | { type: "raw"; value: unknown };

export interface Read {
  id: string;
  parent: string | undefined;
  kind: string;
  at: number | undefined;
  /** Who says it, in a word. */
  voice: string;
  parts: Part[];
  /** Facts beside it, name and value: the model, what it cost, whose message it was. */
  facts: [string, string][];
}

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export function read(entry: Fields): Read {
  const payload = isFields(entry.payload) ? entry.payload : {};
  const kind = textOf(entry.kind) ?? "unknown";
  const at = Date.parse(textOf(entry.ts) ?? "");
  return {
    id: textOf(entry.id) ?? "",
    parent: textOf(entry.parentId),
    kind,
    at: Number.isNaN(at) ? undefined : at,
    voice: voiceOf(kind, payload),
    parts: partsOf(kind, payload),
    facts: factsOf(payload),
  };
}

function voiceOf(kind: string, payload: Fields): string {
  const from = isFields(payload.item) ? textOf(payload.item.from) : undefined;
  switch (kind) {
    case "turn.user":
      return from ?? "user";
    case "turn.assistant":
      return "assistant";
    case "turn.tool_result":
      return "tools";
    case "system.prompt":
      return "system";
    case "compaction":
    case "branch_summary":
      return "summary";
    default:
      return kind.replace(/^custom\./, "");
  }
}

function partsOf(kind: string, payload: Fields): Part[] {
  const told = (value: unknown, type: "text" | "summary" | "note"): Part[] => {
    const text = textOf(value);
    return text === undefined ? [{ type: "raw", value: payload }] : [{ type, text }];
  };
  switch (kind) {
    case "turn.user":
    case "turn.assistant":
    case "turn.tool_result":
      return Array.isArray(payload.content) ? payload.content.map(block) : [{ type: "raw", value: payload }];
    case "system.prompt":
      return told(payload.text, "note");
    case "situation":
      return told(payload.text, "note");
    case "compaction":
    case "branch_summary":
      return told(payload.summary, "summary");
    default:
      return [{ type: "raw", value: payload }];
  }
}

function block(value: unknown): Part {
  if (!isFields(value)) return { type: "raw", value };
  const text = textOf(value.text);
  if (value.type === "text" && text !== undefined) return { type: "text", text };
  if (value.type === "thinking" && text !== undefined) return { type: "thinking", text };
  if (value.type === "tool_use") return { type: "call", name: textOf(value.name) ?? "?", input: value.input };
  const content = textOf(value.content);
  if (value.type === "tool_result" && content !== undefined) {
    const json = parsed(content);
    const diff = isFields(json) ? textOf(json.diff) : undefined;
    return { type: "result", text: content, failed: value.is_error === true, json, diff };
  }
  return { type: "raw", value };
}

/** What JSON text says when it is a list or an object; a number or a word reads best as it stands. */
export function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function factsOf(payload: Fields): [string, string][] {
  const facts: [string, string][] = [];
  const by = isFields(payload.by) ? payload.by : payload;
  const model = textOf(by.model);
  const provider = textOf(by.provider);
  if (model !== undefined) facts.push(["model", provider === undefined ? model : `${provider}/${model}`]);
  if (isFields(by.usage)) {
    const of = (name: string) =>
      isFields(by.usage) && typeof by.usage[name] === "number" ? by.usage[name] : 0;
    const input = of("input_tokens") + of("cache_read_tokens") + of("cache_write_tokens");
    facts.push(["tokens", `${input} in, ${of("output_tokens")} out`]);
  }
  if (typeof by.cost_microusd === "number") facts.push(["cost", money(by.cost_microusd)]);
  const stop = textOf(payload.stop);
  if (stop !== undefined && stop !== "end_turn") facts.push(["stop", stop]);
  const source = textOf(payload.source);
  if (source !== undefined) facts.push(["made from", source]);
  if (typeof payload.turns === "number") facts.push(["stands for", `${payload.turns} turns`]);
  return facts;
}
