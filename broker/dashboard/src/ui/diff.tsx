/** A unified diff, coloured; the signs stay, so that nothing is said by colour alone. */
import "./diff.css";

function classOf(line: string): string {
  if (line.startsWith("+++") || line.startsWith("---")) return "diff-file";
  if (line.startsWith("@@")) return "diff-place";
  if (line.startsWith("+")) return "diff-added";
  if (line.startsWith("-")) return "diff-removed";
  return "diff-same";
}

export function Diff({ text, label = "Changes" }: { text: string; label?: string }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <pre class="diff" role="group" aria-label={label} tabIndex={0}>
      {lines.map((line, at) => (
        <span key={at} class={`diff-line ${classOf(line)}`}>
          {line === "" ? " " : line}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}
