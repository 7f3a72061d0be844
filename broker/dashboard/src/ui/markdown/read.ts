/** What is written in Markdown, read into tokens. Whatever it is, it is read in bounded depth, and nothing is thrown. */
import { Lexer, type MarkedToken, type Token, type TokensList } from "marked";

export interface Mention {
  type: "mention";
  raw: string;
}
export type Written = MarkedToken | Mention;

/** `@name`, whole words, as the broker reads them. */
function mention(text: string, before: Token[]): Mention | undefined {
  const found = /^@[a-z][a-z0-9-]{0,31}(?![\w-])/i.exec(text);
  if (!found || /[\w@]$/.test(before.at(-1)?.raw ?? "")) return undefined;
  return { type: "mention", raw: found[0] };
}
const firstMention = (text: string) => text.search(/(?<![\w@])@[a-z]/i);

/** Far deeper than anybody writes; each level takes some of the stack, here and where it is shown. */
const DEPTH_MAX = 32;

/** What is nested deeper than that is text. */
class Bounded extends Lexer {
  private depth = 0;

  private within(src: string, tokens: Token[], read: () => Token[]): Token[] {
    if (this.depth >= DEPTH_MAX) {
      // What follows a block that was read stands at the top again; so does what follows this.
      this.state.top = true;
      tokens.push({ type: "text", raw: src, text: src, tokens: [{ type: "text", raw: src, text: src }] });
      return tokens;
    }
    this.depth += 1;
    try {
      return read();
    } finally {
      this.depth -= 1;
    }
  }

  override blockTokens(src: string, tokens?: Token[], clipped?: boolean): Token[];
  override blockTokens(src: string, tokens?: TokensList, clipped?: boolean): TokensList;
  override blockTokens(src: string, tokens: Token[] = [], clipped?: boolean): Token[] {
    return this.within(src, tokens, () => super.blockTokens(src, tokens, clipped));
  }

  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    return this.within(src, tokens, () => super.inlineTokens(src, tokens));
  }
}

export function read(text: string): Written[] {
  try {
    const lexer = new Bounded({
      gfm: true,
      breaks: true,
      extensions: { inline: [mention], startInline: [firstMention], renderers: {}, childTokens: {} },
    });
    return lexer.lex(text) as Written[];
  } catch {
    // Not known to happen. The page stays, and says what was written.
    return [{ type: "text", raw: text, text }];
  }
}
