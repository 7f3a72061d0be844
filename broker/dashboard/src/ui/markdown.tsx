/** What people and models write: Markdown, made safe, without anything that is fetched from elsewhere. */
import DOMPurify from "dompurify";
import { Marked, type TokenizerAndRendererExtension } from "marked";
import { useMemo } from "preact/hooks";
import "./markdown.css";

/** `@name`, whole words, as the broker reads them. */
const mention: TokenizerAndRendererExtension = {
  name: "mention",
  level: "inline",
  start: (text) => text.search(/(?<![\w@])@[a-z]/i),
  tokenizer(text) {
    const found = /^@([a-z][a-z0-9-]{0,31})(?![\w-])/i.exec(text);
    return found ? { type: "mention", raw: found[0], name: found[1] } : undefined;
  },
  renderer: (token) => `<span class="mention">@${String(token.name)}</span>`,
};

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function diffLine(line: string): string {
  const kind = line.startsWith("@@")
    ? "diff-place"
    : line.startsWith("+") && !line.startsWith("+++")
      ? "diff-added"
      : line.startsWith("-") && !line.startsWith("---")
        ? "diff-removed"
        : "diff-same";
  return `<span class="diff-line ${kind}">${escape(line) || " "}\n</span>`;
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: [mention],
  renderer: {
    code({ text, lang }) {
      if (lang?.startsWith("diff") !== true) return `<pre tabindex="0"><code>${escape(text)}\n</code></pre>`;
      return `<pre class="diff" tabindex="0">${text.split("\n").map(diffLine).join("")}</pre>`;
    },
    /** HTML is what was written, not what is meant: it is shown, and never parsed. */
    html: ({ text }) => escape(text),
    /** A picture would be fetched from wherever it is: who wants to see it opens the link. */
    image({ href, text }) {
      return `<a href="${escape(href).replaceAll('"', "&quot;")}">${escape(text) || "picture"}</a>`;
    },
  },
});

const purify = DOMPurify();
purify.addHook("afterSanitizeAttributes", (node) => {
  // What is wider than the page is scrolled by keys, too.
  if (node.tagName === "TABLE") node.setAttribute("tabindex", "0");
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

const TAGS =
  "a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p pre span strong sub sup table tbody td th thead tr ul";

export function safeHtml(text: string): string {
  const html = marked.parse(text, { async: false });
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS.split(" "),
    ALLOWED_ATTR: ["href", "class", "tabindex", "start", "align"],
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}

export function Markdown({ text }: { text: string }) {
  const html = useMemo(() => safeHtml(text), [text]);
  return <div class="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}
