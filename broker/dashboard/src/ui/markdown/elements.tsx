/**
 * Elements made of what was read in Markdown. What somebody wrote becomes text, or one of the elements named here with the
 * attributes named here: it is never HTML, so there is nothing to be cleaned.
 */
import type { ComponentChildren } from "preact";
import type { Token, Tokens } from "marked";
import { Diff } from "../diff";
import { decoded } from "./entities";
import type { Written } from "./read";

/** Where a link may lead; undefined when that is nowhere, and its text alone is shown. */
function address(href: string): string | undefined {
  try {
    const url = encodeURI(href).replaceAll("%25", "%");
    return /^(?:https?|mailto):/i.test(url) ? url : undefined;
  } catch {
    // Half of a character of two.
    return undefined;
  }
}

function link(href: string, children: ComponentChildren) {
  const to = address(href);
  if (to === undefined) return children;
  return (
    <a href={to} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function row(cells: Tokens.TableCell[]) {
  const cell = ({ header, align, tokens }: Tokens.TableCell) => {
    const Name = header ? "th" : "td";
    return <Name {...(align && { align })}>{elements(tokens)}</Name>;
  };
  return <tr>{cells.map(cell)}</tr>;
}

function list({ ordered, start, items }: Tokens.List) {
  const Name = ordered ? "ol" : "ul";
  return (
    <Name {...(start !== "" && start !== 1 && { start })}>
      {items.map((item) => (
        <li>{elements(item.tokens)}</li>
      ))}
    </Name>
  );
}

function code({ lang, text }: Tokens.Code) {
  if (lang?.startsWith("diff") === true) return <Diff text={text} />;
  return (
    <pre tabIndex={0}>
      <code>{`${text}\n`}</code>
    </pre>
  );
}

export function elements(tokens: Token[], inLink = false): ComponentChildren[] {
  return (tokens as Written[]).map((token) => element(token, inLink));
}

function element(token: Written, inLink: boolean): ComponentChildren {
  switch (token.type) {
    case "space":
    case "def":
    case "checkbox":
      return null;
    case "text":
      return token.tokens ? elements(token.tokens, inLink) : decoded(token.text);
    case "escape":
    case "html":
      return token.text;
    case "mention":
      return <span class="mention">{token.raw}</span>;
    case "paragraph":
      return <p>{elements(token.tokens)}</p>;
    case "heading": {
      const Name = `h${token.depth}` as "h1";
      return <Name>{elements(token.tokens)}</Name>;
    }
    case "blockquote":
      return <blockquote>{elements(token.tokens)}</blockquote>;
    case "list":
      return list(token);
    case "list_item":
      return <li>{elements(token.tokens)}</li>;
    case "table":
      // What is wider than the page is scrolled, by keys, too.
      return (
        <table tabIndex={0}>
          <thead>{row(token.header)}</thead>
          {token.rows.length > 0 && <tbody>{token.rows.map(row)}</tbody>}
        </table>
      );
    case "code":
      return code(token);
    case "hr":
      return <hr />;
    case "br":
      return <br />;
    case "codespan":
      return <code>{token.text}</code>;
    case "strong":
      return <strong>{elements(token.tokens, inLink)}</strong>;
    case "em":
      return <em>{elements(token.tokens, inLink)}</em>;
    case "del":
      return <del>{elements(token.tokens, inLink)}</del>;
    case "link": {
      if (token.autolink === true) return link(token.href, token.text);
      const href = decoded(token.href);
      return link(href, elements(token.tokens, inLink || address(href) !== undefined));
    }
    case "image": {
      // A picture would be fetched from wherever it is: who wants to see it opens the link. A link leads to one place.
      const text = decoded(token.text) || "picture";
      return inLink ? text : link(decoded(token.href), text);
    }
  }
}
