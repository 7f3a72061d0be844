/** Character references, `&lt;` and `&#39;`, as CommonMark reads them: only such as end in a semicolon. */

/** Those that are written often, and what the browser said of others. */
const known = new Map<string, string | undefined>([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
  ["nbsp", "\u00a0"],
]);
/** So many that all 2 125 of HTML fit, and that what is written cannot fill the memory. */
const KNOWN_MAX = 4096;

/** The browser knows all names. It is asked by a name alone, letters and digits, in a page that nobody sees. */
function ask(name: string): string | undefined {
  if (typeof DOMParser === "undefined") return undefined;
  const page = new DOMParser().parseFromString(`<p title="&${name};">`, "text/html");
  const title = page.querySelector("p")?.title;
  return title === `&${name};` ? undefined : title;
}

function named(name: string): string | undefined {
  if (known.has(name)) return known.get(name);
  const meant = ask(name);
  if (known.size < KNOWN_MAX) known.set(name, meant);
  return meant;
}

function numbered(code: number): string {
  const none = code === 0 || code > 0x10_ffff || (code >= 0xd800 && code <= 0xdfff);
  return none ? "\ufffd" : String.fromCodePoint(code);
}

const REFERENCE = /&(?:#(\d{1,7})|#[Xx]([\dA-Fa-f]{1,6})|([A-Za-z][A-Za-z\d]{1,30}));/g;

/** The text that was meant; what is no reference stays as it was written. */
export function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (all, decimal?: string, hex?: string, name?: string) => {
    if (decimal !== undefined) return numbered(Number.parseInt(decimal, 10));
    if (hex !== undefined) return numbered(Number.parseInt(hex, 16));
    return named(name ?? "") ?? all;
  });
}
