import { describe, expect, it } from "vitest";
import type { AuditEntry } from "../../wire/frames";
import { type Shown, below, filled, onTop } from "./rows";
import { address, said } from "./words";

const entry = (seq: number): AuditEntry => ({
  seq,
  at: seq,
  kind: "thread.renamed",
  actor: "system",
  subject: "x",
});
const page = (...seqs: number[]) => seqs.map(entry);
const flat = (rows: readonly Shown[]) =>
  rows.map((row) => (row.is === "entry" ? row.entry.seq : `${row.below}…${row.above}`));

describe("rows", () => {
  it("take what is new and nothing twice", () => {
    const first = onTop([], page(9, 7, 5), 5);
    expect(flat(first)).toEqual([9, 7, 5]);
    expect(flat(onTop(first, page(12, 9, 7), 7))).toEqual([12, 9, 7, 5]);
    expect(flat(below(first, page(5, 3)))).toEqual([9, 7, 5, 3]);
  });

  it("say where others came between, and take those in", () => {
    const holed = onTop(onTop([], page(5, 4), 4), page(20, 18), 18);
    expect(flat(holed)).toEqual([20, 18, "5…18", 5, 4]);
    expect(flat(filled(holed, 18, page(16, 12), 12))).toEqual([20, 18, 16, 12, "5…12", 5, 4]);
    expect(flat(filled(holed, 18, page(16, 5), 5))).toEqual([20, 18, 16, 5, 4]);
    expect(flat(filled(holed, 18, [], undefined))).toEqual([20, 18, 5, 4]);
    expect(flat(onTop(onTop([], page(5), 5), page(7, 6), undefined))).toEqual([7, 6, 5]);
  });

  it("go on where a page ended, though nothing was in it", () => {
    const holed = onTop(onTop([], page(5, 4), 4), page(20), 15);
    expect(flat(holed)).toEqual([20, "5…15", 5, 4]);
    expect(flat(filled(holed, 15, [], 9))).toEqual([20, "5…9", 5, 4]);
    expect(flat(filled(holed, 15, [], 5))).toEqual([20, 5, 4]);
  });
});

describe("words", () => {
  it("name what was done, and kinds of later versions as they are", () => {
    expect(said({ kind: "operator.added", actor: "operator/ana" })).toEqual({
      who: "operator/ana",
      words: "let in",
    });
    expect(said({ kind: "moon.risen_up", actor: "system" })).toEqual({
      who: "system",
      words: "moon risen up",
    });
    expect(said({ kind: "refused.credential", actor: "system" }).who).toBeUndefined();
    expect(said({ kind: "refused.forbidden", actor: "wren" }).who).toBe("wren");
  });

  it("lead to what an entry is about", () => {
    const id = "0199a0b1-c2d3-7123-8456-789abcdef012";
    const at = (kind: string, subject: string, thread?: string) =>
      address({ kind, subject, ...(thread === undefined ? {} : { thread }) });
    expect(at("dispatch.ended", id)).toBe(`/work/${id}`);
    expect(at("knowledge.stored", id)).toBe(`/knowledge?entry=${id}`);
    expect(at("knowledge.granted", "wren read keel")).toBe("/knowledge?view=grants");
    expect(at("session.rewind", `wren/${id}`)).toBe(`/sessions/wren/${id}`);
    expect(at("message", id, "t1")).toBe("/chat/t1");
    expect(at("blob.put", "sha256-00")).toBeUndefined();
  });
});
