/** A turn as it streams: text, thoughts and tool calls folded, diffs coloured. */
import type { LiveTurn, Part } from "../state/turn";
import { Diff } from "./diff";
import { Markdown } from "./markdown";
import { Mark } from "./mark";
import "./turn.css";

export function TurnParts({ turn }: { turn: LiveTurn }) {
  return (
    <div class="turn">
      {turn.parts.map((part, at) => (
        <PartOf key={at} part={part} />
      ))}
    </div>
  );
}

function PartOf({ part }: { part: Part }) {
  switch (part.type) {
    case "text":
      return <Markdown text={part.text} />;
    case "thinking":
      return (
        <details class="turn-fold">
          <summary>Thoughts</summary>
          <p class="turn-thought">{part.text}</p>
        </details>
      );
    case "missing":
      return (
        <p class="quiet small">
          Some of what streamed here is missing. The message that ends the turn has all of it.
        </p>
      );
    case "tool":
      return <Tool part={part} />;
  }
}

/** The first argument that says what it is about. */
function gist(input: unknown): string {
  if (typeof input !== "object" || input === null) return "";
  const found = Object.values(input).find((it) => typeof it === "string");
  return found === undefined ? "" : (found.split("\n")[0]?.slice(0, 80) ?? "");
}

/** The diff in what a tool returned, if there is one. */
export function diffIn(preview: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(preview);
    if (
      typeof parsed === "object" &&
      parsed !== null &&
      "diff" in parsed &&
      typeof parsed.diff === "string"
    ) {
      return parsed.diff;
    }
  } catch {
    // A preview is the beginning of a text, and need not be whole.
    const cut = /"diff"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(preview)?.[1];
    if (cut !== undefined) return `${unescape(cut)}\n…`;
  }
  return /^@@ -\d/m.test(preview) ? preview : undefined;
}

function unescape(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text.replaceAll("\\n", "\n").replaceAll('\\"', '"');
  }
}

function Tool({ part }: { part: Extract<Part, { type: "tool" }> }) {
  const { name, input, result } = part;
  const [tone, word] = !result
    ? (["busy", "running"] as const)
    : result.failed
      ? (["failed", "failed"] as const)
      : (["online", "done"] as const);
  const diff = result && diffIn(result.preview);
  return (
    <details class="turn-fold" open={diff !== undefined}>
      <summary>
        <Mark tone={tone} word={word} bare /> <code>{name}</code> <span class="quiet">{gist(input)}</span>
      </summary>
      {input !== undefined && diff === undefined && (
        <pre class="turn-io" tabIndex={0} aria-label="Arguments">
          {JSON.stringify(input, null, 2)}
        </pre>
      )}
      {diff !== undefined && <Diff text={diff} />}
      {result && diff === undefined && (
        <pre class="turn-io" tabIndex={0} aria-label="Result">
          {result.preview}
        </pre>
      )}
    </details>
  );
}
