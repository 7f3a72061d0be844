/** An entry, whole. */
import { useAsk } from "../../link/use";
import { Diff } from "../../ui/diff";
import { Loading } from "../../ui/empty";
import { Fault } from "../../ui/fault";
import { Block, Json } from "../../ui/json";
import { Markdown } from "../../ui/markdown";
import { Mark } from "../../ui/mark";
import { Time } from "../../ui/time";
import { type Part, type Read, read } from "./entry";

interface Props {
  of: string;
  session: string;
  entry: string;
}

export function Entry({ of, session, entry }: Props) {
  const { value, error, reload } = useAsk("session.entry", { of, session, entry });
  if (error) return <Fault what="The entry could not be read" error={error} retry={reload} />;
  if (!value) return <Loading what="the entry" />;
  return <Whole entry={read(value.entry)} />;
}

export function Whole({ entry }: { entry: Read }) {
  return (
    <article class="entry" aria-label={`${entry.voice}: ${entry.kind}`}>
      <p class="entry-head">
        <span class="entry-voice">{entry.voice}</span>
        <code class="quiet">{entry.kind}</code>
        {entry.at !== undefined && <Time at={entry.at} />}
      </p>
      {entry.parts.map((part, at) => (
        <Shown key={at} part={part} />
      ))}
      {entry.facts.length > 0 && (
        <p class="quiet small entry-facts">
          {entry.facts.map(([name, value]) => (
            <span key={name}>
              {name} {value}
            </span>
          ))}
        </p>
      )}
    </article>
  );
}

function Shown({ part }: { part: Part }) {
  switch (part.type) {
    case "text":
      return <Markdown text={part.text} />;
    case "summary":
      return (
        <div class="entry-summary">
          <Markdown text={part.text} />
        </div>
      );
    case "note":
      return <Block text={part.text} label="Text" />;
    case "thinking":
      return (
        <details>
          <summary>Thinking</summary>
          <p class="entry-thinking">{part.text}</p>
        </details>
      );
    case "call":
      return (
        <div class="entry-call">
          <p>
            → <code>{part.name}</code>
          </p>
          <Json value={part.input} label={`What ${part.name} is called with`} />
        </div>
      );
    case "result":
      return <Result part={part} />;
    case "raw":
      return <Json value={part.value} label="As it stands in the file" />;
  }
}

function Result({ part }: { part: Part & { type: "result" } }) {
  return (
    <div class="entry-call">
      <p>← {part.failed ? <Mark tone="failed" word="it went wrong" /> : <span class="quiet">result</span>}</p>
      {part.diff === undefined ? (
        <Json value={part.json ?? part.text} label="Result" />
      ) : (
        <>
          <Diff text={part.diff} label="What the tool changed" />
          <details>
            <summary>The whole result</summary>
            <Json value={part.json ?? part.text} label="Result" />
          </details>
        </>
      )}
    </div>
  );
}
