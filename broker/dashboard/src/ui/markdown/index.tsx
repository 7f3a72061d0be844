/** What people and models write: Markdown, without anything that is fetched from elsewhere. */
import { useMemo } from "preact/hooks";
import { elements } from "./elements";
import { read } from "./read";
import "./markdown.css";

export function Markdown({ text }: { text: string }) {
  const shown = useMemo(() => elements(read(text)), [text]);
  return <div class="markdown">{shown}</div>;
}
