/** Text somebody else wrote, as Markdown: cleaned of whatever could act, and of whatever would be fetched. */
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useMemo } from "preact/hooks";
import "./markdown.css";

const marked = new Marked({ gfm: true, breaks: false, async: false });

/** Pictures would be requests to other hosts, forms would send something, styles are not for writers. */
const CLEAN = {
  FORBID_TAGS: ["form", "input", "button", "style", "img", "picture", "audio", "video", "svg", "math"],
  FORBID_ATTR: ["style", "id", "name", "class"],
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: false,
} as const;

export function html(text: string): string {
  const document = new DOMParser().parseFromString(
    DOMPurify.sanitize(marked.parse(text) as string, {
      ...CLEAN,
      FORBID_TAGS: [...CLEAN.FORBID_TAGS],
      FORBID_ATTR: [...CLEAN.FORBID_ATTR],
    }),
    "text/html",
  );
  for (const anchor of document.querySelectorAll("a[href]")) {
    anchor.setAttribute("rel", "noopener noreferrer nofollow");
    anchor.setAttribute("target", "_blank");
  }
  // A wide table or block of code is scrolled by keys, too.
  for (const wide of document.querySelectorAll("pre, table")) wide.setAttribute("tabindex", "0");
  return document.body.innerHTML;
}

export function Markdown({ text }: { text: string }) {
  const made = useMemo(() => html(text), [text]);
  return <div class="markdown" dangerouslySetInnerHTML={{ __html: made }} />;
}
