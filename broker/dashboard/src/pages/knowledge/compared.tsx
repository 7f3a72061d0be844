/** Two texts compared, line by line: signs, colours and words for what came and went. */
import { useMemo } from "preact/hooks";
import { type Line, compare } from "./lines";
import "./compared.css";

interface Props {
  before: string;
  after: string;
  /** What is compared, for those who do not see it. */
  label: string;
}

const SIGNS = { same: " ", added: "+", removed: "−" };
const WORDS = { same: "", added: "added: ", removed: "removed: " };

export function Compared({ before, after, label }: Props) {
  const lines = useMemo(() => compare(before, after), [before, after]);
  const of = (kind: Line["kind"]) => lines.filter((line) => line.kind === kind).length;
  const [added, removed] = [of("added"), of("removed")];
  if (added + removed === 0) return <p class="quiet">Both are the same.</p>;
  return (
    <figure class="compared" aria-label={label}>
      <figcaption class="compared-sum">
        <span class="compared-plus">+{added}</span> <span class="compared-minus">−{removed}</span> lines
      </figcaption>
      <div class="compared-lines" tabIndex={0} role="group" aria-label={`${label}, line by line`}>
        {lines.map((line, at) => (
          <ComparedLine key={at} line={line} />
        ))}
      </div>
    </figure>
  );
}

function ComparedLine({ line }: { line: Line }) {
  if (line.kind === "folded") {
    return <div class="compared-folded">{line.count === 1 ? "1 line" : `${line.count} lines`} as before</div>;
  }
  return (
    <div class={`compared-line compared-${line.kind}`}>
      <span class="compared-number" aria-hidden="true">
        {line.old ?? ""}
      </span>
      <span class="compared-number" aria-hidden="true">
        {line.new ?? ""}
      </span>
      <span class="compared-sign" aria-hidden="true">
        {SIGNS[line.kind]}
      </span>
      <span class="compared-text">
        {WORDS[line.kind] !== "" && <span class="hidden">{WORDS[line.kind]}</span>}
        {line.parts.map(({ text, changed }, at) => (changed ? <em key={at}>{text}</em> : text))}
      </span>
    </div>
  );
}
