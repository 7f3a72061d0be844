/** A JSON value to be read: indented, names and values told apart, texts of several lines as they are. */
import "./json.css";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

interface Piece {
  text: string;
  kind: "plain" | "name" | "text" | "value";
}

/** What is to be coloured how. Colour is a help here and says nothing that the text does not. */
export function pieces(json: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const match of json.matchAll(TOKEN)) {
    const [whole, quoted, colon] = match;
    if (match.index > at) out.push({ text: json.slice(at, match.index), kind: "plain" });
    if (quoted === undefined) out.push({ text: whole, kind: "value" });
    else if (colon === undefined) out.push({ text: quoted, kind: "text" });
    else out.push({ text: quoted, kind: "name" }, { text: colon, kind: "plain" });
    at = match.index + whole.length;
  }
  if (at < json.length) out.push({ text: json.slice(at), kind: "plain" });
  return out;
}

/** Beyond this it is shown without colours: a text of a megabyte would be a hundred thousand elements. */
const COLOURED_MAX = 60_000;

export function Json({ value, label }: { value: unknown; label: string }) {
  if (typeof value === "string") return <Block text={value} label={label} />;
  const text = JSON.stringify(value, null, 2) as string | undefined;
  if (text === undefined) return <p class="quiet">Nothing.</p>;
  if (text.length > COLOURED_MAX) return <Block text={text} label={label} />;
  return (
    <pre class="json" role="group" aria-label={label} tabIndex={0}>
      {pieces(text).map(({ text, kind }, at) =>
        kind === "plain" ? (
          text
        ) : (
          <span key={at} class={`json-${kind}`}>
            {text}
          </span>
        ),
      )}
    </pre>
  );
}

/** A text as it stands, in the face of code. */
export function Block({ text, label }: { text: string; label: string }) {
  return (
    <pre class="json" role="group" aria-label={label} tabIndex={0}>
      {text}
    </pre>
  );
}
