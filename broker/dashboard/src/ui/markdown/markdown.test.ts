import type { ComponentChildren, VNode } from "preact";
import { afterEach, expect, test, vi } from "vitest";
import { elements } from "./elements";
import { decoded } from "./entities";
import { read } from "./read";

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Elements as they would be written; nothing that is shown has a state, so a component is what it returns. */
function html(node: ComponentChildren): string {
  if (Array.isArray(node)) return node.map((it: ComponentChildren) => html(it)).join("");
  if (node === null || node === undefined || typeof node === "boolean") return "";
  if (typeof node !== "object") return escape(String(node));
  const { type, props } = node as VNode<Record<string, unknown>>;
  if (typeof type === "function") return html((type as (props: unknown) => ComponentChildren)(props));
  const { children, ...rest } = props;
  const attributes = Object.entries(rest).map(([name, value]) => ` ${name}="${escape(String(value))}"`);
  const inner = html(children);
  return type === "br" || type === "hr" ? `<${type}>` : `<${type}${attributes.join("")}>${inner}</${type}>`;
}

const shown = (text: string) => html(elements(read(text)));
const away = (href: string, text: string) =>
  `<a href="${href}" target="_blank" rel="noopener noreferrer">${text}</a>`;

afterEach(() => {
  vi.unstubAllGlobals();
});

test.each([
  ["", ""],
  ["plain", "<p>plain</p>"],
  ["one\n\ntwo", "<p>one</p><p>two</p>"],
  ["one\ntwo  \nthree\\\nfour", "<p>one<br>two<br>three<br>four</p>"],
  [
    "*a* _b_ **c** __d__ ***e***",
    "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <em><strong>e</strong></em></p>",
  ],
  ["~~gone~~", "<p><del>gone</del></p>"],
  ["`a <b> &amp;`", "<p><code>a &lt;b&gt; &amp;amp;</code></p>"],
  ["# a\n### b *c*\nd\n===\ne\n---", "<h1>a</h1><h3>b <em>c</em></h3><h1>d</h1><h2>e</h2>"],
  ["###### six\n####### seven", "<h6>six</h6><p>####### seven</p>"],
  ["a\n\n***\n\nb", "<p>a</p><hr><p>b</p>"],
  ["> a\n> > b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"],
  ["\\*a\\* \\<b\\> \\& \\&amp;", "<p>*a* &lt;b&gt; &amp; &amp;amp;</p>"],
])("text and blocks: %j", (text, expected) => {
  expect(shown(text)).toBe(expected);
});

test.each([
  ["- a\n- b", "<ul><li>a</li><li>b</li></ul>"],
  ["- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"],
  ["- a\n  - b\n    1. c", "<ul><li>a<ul><li>b<ol><li>c</li></ol></li></ul></li></ul>"],
  ["1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"],
  ["7) a", '<ol start="7"><li>a</li></ol>'],
  ["0. a", '<ol start="0"><li>a</li></ol>'],
  ["- [ ] open\n- [x] done", "<ul><li>open</li><li>done</li></ul>"],
  ["- [ ] open\n\n- [x] done", "<ul><li><p>open</p></li><li><p>done</p></li></ul>"],
  ["- a\n\n      code", '<ul><li><p>a</p><pre tabIndex="0"><code>code\n</code></pre></li></ul>'],
])("lists: %j", (text, expected) => {
  expect(shown(text)).toBe(expected);
});

test("a table says how its columns are aligned, and is scrolled by keys", () => {
  expect(shown("|a|b|c|d|\n|:-|:-:|-:|-|\n|1|*2*|3\\|3|`4`|\n|5|")).toBe(
    '<table tabIndex="0"><thead><tr><th align="left">a</th><th align="center">b</th><th align="right">c</th><th>d</th></tr></thead>' +
      '<tbody><tr><td align="left">1</td><td align="center"><em>2</em></td><td align="right">3|3</td><td><code>4</code></td></tr>' +
      '<tr><td align="left">5</td><td align="center"></td><td align="right"></td><td></td></tr></tbody></table>',
  );
  expect(shown("|a|\n|-|")).toBe('<table tabIndex="0"><thead><tr><th>a</th></tr></thead></table>');
});

test("code is what was written, and a diff is coloured by line", () => {
  expect(shown("```rust\nlet a = &b<c>;\n\n```")).toBe(
    '<pre tabIndex="0"><code>let a = &amp;b&lt;c&gt;;\n\n\n</code></pre>',
  );
  expect(shown("    indented &lt;")).toBe('<pre tabIndex="0"><code>indented &amp;lt;\n</code></pre>');
  expect(shown("```\nnever closed")).toBe('<pre tabIndex="0"><code>never closed\n</code></pre>');
  expect(shown("```diff\n--- a\n+++ b\n@@ -1 +1 @@\n-<b>\n+&amp;\n\n same\n```")).toBe(
    '<pre class="diff" role="group" aria-label="Changes" tabIndex="0">' +
      '<span class="diff-line diff-file">--- a\n</span><span class="diff-line diff-file">+++ b\n</span>' +
      '<span class="diff-line diff-place">@@ -1 +1 @@\n</span><span class="diff-line diff-removed">-&lt;b&gt;\n</span>' +
      '<span class="diff-line diff-added">+&amp;amp;\n</span><span class="diff-line diff-same"> \n</span>' +
      '<span class="diff-line diff-same"> same\n</span></pre>',
  );
});

test("a mention is a whole word, outside code and addresses", () => {
  expect(shown("@ana, ask @Wren-2 or a@b.c: `@moth` x@y @@z @toolongtoolongtoolongtoolongtoolong")).toBe(
    '<p><span class="mention">@ana</span>, ask <span class="mention">@Wren-2</span> or ' +
      `${away("mailto:a@b.c", "a@b.c")}: <code>@moth</code> x@y @@z @toolongtoolongtoolongtoolongtoolong</p>`,
  );
});

test.each([
  ['[a *b*](http://x.y/?p=1&amp;q=2 "title")', away("http://x.y/?p=1&amp;q=2", "a <em>b</em>")],
  ["[a](<https://x.y/a b>)", away("https://x.y/a%20b", "a")],
  ["[a](https://x.y/100%25)", away("https://x.y/100%25", "a")],
  ["[a](mailto:ana@x.y)", away("mailto:ana@x.y", "a")],
  ["[a]\n\n[a]: HTTPS://x.y", away("HTTPS://x.y", "a")],
  ["[a][b]\n\n[b]: http://x.y 'title'", away("http://x.y", "a")],
  ["<http://x.y/?a&amp;b>", away("http://x.y/?a&amp;amp;b", "http://x.y/?a&amp;amp;b")],
  ["www.x.y", away("http://www.x.y", "www.x.y")],
  ["![cat](https://x.y/cat.png)", away("https://x.y/cat.png", "cat")],
  ["![](https://x.y/cat.png)", away("https://x.y/cat.png", "picture")],
  ["[![build](https://x.y/b.svg)](https://ci.x)", away("https://ci.x", "build")],
  ["[![build](https://x.y/b.svg)](./ci)", away("https://x.y/b.svg", "build")],
  ["[a](http://x.y/\ud800)", "a"],
  ["[a]()", "a"],
  ["[a](page.md)", "a"],
  ["[a](//x.y)", "a"],
  ["[a](ftp://x.y)", "a"],
  ["![a](data:image/png;base64,AA)", "a"],
])("links: %j", (text, expected) => {
  expect(shown(text)).toBe(`<p>${expected}</p>`);
});

test.each([
  "[a](javascript:alert)",
  "[a](JaVaScRiPt:alert)",
  "[a](javascript&#58;alert)",
  "[a](&#106;avascript:alert)",
  "[a](&#x6A;avascript&#x3A;alert)",
  "[a](<java\tscript:alert>)",
  "[a](<java&#10;script:alert>)",
  "[a](&#1;javascript:alert)",
  "[a](vbscript:x)",
  "[a](data:text/html,x)",
  "[a](blob:https://x.y/z)",
  "[a](file:///etc/passwd)",
  "![a](javascript:alert)",
  "[a]\n\n[a]: javascript:alert",
  "![a]\n\n[a]: <data:text/html,x>",
])("what leads nowhere good is its text: %j", (text) => {
  expect(shown(text)).toBe("<p>a</p>");
});

test("HTML is the text that was written", () => {
  expect(shown("<script>alert(1)</script>")).toBe("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(shown('a <img src=x onerror="alert(1)"> b')).toBe(
    "<p>a &lt;img src=x onerror=&quot;alert(1)&quot;&gt; b</p>",
  );
  expect(shown("<div>\n\n**a**\n\n</div>")).toBe("&lt;div&gt;<p><strong>a</strong></p>&lt;/div&gt;");
  expect(shown("<code>&lt;i> **a**</code> <!-- c -->")).toBe(
    "<p>&lt;code&gt;&lt;i&gt; <strong>a</strong>&lt;/code&gt; &lt;!-- c --&gt;</p>",
  );
  expect(shown("<a href='javascript:x'>a</a>")).toBe("<p>&lt;a href='javascript:x'&gt;a&lt;/a&gt;</p>");
  expect(shown("<javascript:alert>")).toBe("<p>javascript:alert</p>");
});

test("character references are decoded once, and only whole ones", () => {
  expect(decoded("&lt;b&gt; &amp;lt; &quot;&apos;&#39;&#x27; &nbsp;|")).toBe("<b> &lt; \"''' \u00a0|");
  expect(decoded("& &amp &; &#; &#x; &#12345678; &constructor; &__proto__;")).toBe(
    "& &amp &; &#; &#x; &#12345678; &constructor; &__proto__;",
  );
  expect(decoded("&#0;&#xD800;&#x110000;&#x1F600;")).toBe("\ufffd\ufffd\ufffd😀");
  expect(shown("&lt;b&gt; &amp;lt; &#38;lt; &#60;")).toBe("<p>&lt;b&gt; &amp;lt; &amp;lt; &lt;</p>");
});

test("names that are seldom written are asked of the browser, once, and by nothing but the name", () => {
  const asked: string[] = [];
  vi.stubGlobal(
    "DOMParser",
    class {
      parseFromString(text: string) {
        asked.push(text);
        return { querySelector: () => ({ title: text.includes("hearts") ? "♥" : /"(.*)"/.exec(text)?.[1] }) };
      }
    },
  );
  expect(decoded('&hearts; &hearts; &nosuch; &nosuch; &a"b; &<script>;')).toBe(
    '♥ ♥ &nosuch; &nosuch; &a"b; &<script>;',
  );
  expect(asked).toEqual(['<p title="&hearts;">', '<p title="&nosuch;">']);
});

test("however deep it is nested, all of it is shown", () => {
  for (const [open, close] of [
    [">", ""],
    ["- ", ""],
    ["1. ", ""],
    ["> - ", ""],
    ["*a _b ", "_ *"],
    ["[", "](http://x.y)"],
    ["![", "](x)"],
  ] as const) {
    const text = `${open.repeat(10_000)}deep${close.repeat(10_000)}`;
    expect(shown(text), open).toContain("deep");
  }
  const twenty = shown(`${">".repeat(20)}deep`);
  expect(twenty).toBe(`${"<blockquote>".repeat(20)}<p>deep</p>${"</blockquote>".repeat(20)}`);
  // What comes after is read as ever.
  expect(shown(`${"- ".repeat(100)}deep\n\n# after`)).toMatch(/- - deep.*<h1>after<\/h1>$/);
});

/** Every element that is made, and every attribute that it may have. */
const ATTRIBUTES: Record<string, string[]> = {
  a: ["href", "rel", "target"],
  ol: ["start"],
  pre: ["aria-label", "class", "role", "tabIndex"],
  span: ["class"],
  table: ["tabIndex"],
  td: ["align"],
  th: ["align"],
  ...Object.fromEntries(
    "blockquote br code del em h1 h2 h3 h4 h5 h6 hr li p strong tbody thead tr ul"
      .split(" ")
      .map((name): [string, string[]] => [name, []]),
  ),
};

function strange(node: ComponentChildren): string[] {
  if (Array.isArray(node)) return node.flatMap((it: ComponentChildren) => strange(it));
  if (typeof node !== "object" || node === null) return [];
  const { type, props } = node as VNode<Record<string, unknown>>;
  if (typeof type === "function") return strange((type as (props: unknown) => ComponentChildren)(props));
  const { children, ...rest } = props;
  const allowed = ATTRIBUTES[type];
  const found = Object.keys(rest).filter((name) => allowed?.includes(name) !== true);
  if (allowed === undefined) found.push(type);
  if (type === "a" && !/^(?:https?|mailto):/i.test(String(rest["href"]))) found.push(String(rest["href"]));
  return [...found, ...strange(children)];
}

const PIECES = [
  ...Array.from("ab*_~`>-+#|[]()!<&;:\\\"'@ \n\t\0é😀\ud800\udc00"),
  ...[
    "**",
    "```",
    "```diff\n",
    "> ",
    "- ",
    "1. ",
    "- [x] ",
    "\n\n",
    "    ",
    "---\n",
    "===\n",
    "|a|b|\n|:-|-:|\n",
    "](http://x.y)",
  ],
  ...[
    "](javascript:1)",
    "![",
    "[r]: data:x\n",
    "[r]",
    "<script>",
    "</script>",
    "<img onerror=x>",
    "<!--",
    "-->",
    "<a href=javascript:x>",
  ],
  ...[
    "&lt;",
    "&#106;",
    "&#0;",
    "&colon;",
    "javascript",
    "data:",
    "www.x.org",
    "me@x.org",
    "<javascript:x>",
    "<pre>",
    "<code>",
    "@ana",
  ],
];

test("whatever is written, nothing is thrown, and only elements and addresses that were meant are made", () => {
  let state = 20_261_127;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((state / 0x8000_0000) * below);
  };
  for (let round = 0; round < 5_000; round += 1) {
    const text = Array.from({ length: 1 + next(24) }, () => PIECES[next(PIECES.length)]).join("");
    expect(strange(elements(read(text))), JSON.stringify(text)).toEqual([]);
  }
});
