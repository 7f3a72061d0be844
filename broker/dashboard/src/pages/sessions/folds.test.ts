import { describe, expect, it } from "vitest";
import type { SessionNode } from "../../wire/frames";
import { drawn, leafOf, treeOf, type Drawn } from "./folds";
import { inView, layout, neighbour } from "./layout";

function node(id: string, parent?: string, kind = "turn.user"): SessionNode {
  return { id, kind, at: 0, active: false, summary: id, ...(parent === undefined ? {} : { parent }) };
}

/** `a0`, `a1` … one on the other, the first on `parent`. */
function run(name: string, count: number, parent?: string): SessionNode[] {
  return Array.from({ length: count }, (_, at) =>
    node(`${name}${at}`, at === 0 ? parent : `${name}${at - 1}`),
  );
}

const none = new Set<string>();

/** `a0 a1 (5) a7` with branches in brackets. */
function told(all: readonly Drawn[]): string {
  const one = ({ entries, folded, key, children }: Drawn): string => {
    const name = folded ? `(${entries.length})` : key;
    if (children.length === 0) return name;
    return children.length === 1
      ? `${name} ${told(children)}`
      : `${name} [${children.map((it) => told([it])).join(" | ")}]`;
  };
  return all.map(one).join(" ; ");
}

describe("what is drawn", () => {
  it("shows short runs whole", () => {
    expect(told(drawn(treeOf(run("a", 5), "a4"), none, none))).toBe("a0 a1 a2 a3 a4");
  });

  it("folds the middle of a long run, and opens it", () => {
    const tree = treeOf(run("a", 40), "a39");
    const folded = drawn(tree, none, none);
    expect(told(folded)).toBe(
      `a0 a1 (26) ${run("a", 40)
        .slice(-12)
        .map((it) => it.id)
        .join(" ")}`,
    );
    const key = folded[0]?.children[0]?.children[0]?.key ?? "";
    expect(told(drawn(tree, new Set([key]), none)).split(" ")).toHaveLength(40);
  });

  it("does not fold away what was chosen, the head or a summary", () => {
    const nodes = run("a", 42);
    nodes[12] = node("a12", "a11", "compaction");
    const tree = treeOf(nodes, "a20");
    expect(told(drawn(tree, none, new Set(["a5"])))).toMatch(
      /^a0 a1 \(3\) a5 \(6\) a12 \(7\) a20 \(9\) a30 a31 /,
    );
  });

  it("parts where the tree parts, and leaves out rewinds", () => {
    const nodes = [
      ...run("a", 3),
      ...run("b", 2, "a2"),
      node("h", "b1", "custom.head"),
      ...run("c", 1, "a2"),
    ];
    const tree = treeOf(nodes, "c0");
    const all = drawn(tree, none, none);
    expect(told(all)).toBe("a0 a1 a2 [b0 b1 | c0]");
    expect([...tree.active]).toEqual(["c0", "a2", "a1", "a0"]);
    expect([leafOf(tree, "a0"), leafOf(tree, "b0")]).toEqual(["c0", "b1"]);
  });

  it("opens a very long fold in parts", () => {
    const tree = treeOf(run("a", 5000), "a4999");
    const fold = drawn(tree, none, none)[0]?.children[0]?.children[0];
    expect(fold?.entries).toHaveLength(4986);
    const parts = layout(drawn(tree, new Set([fold?.key ?? ""]), none)).all.filter((it) => it.drawn.folded);
    expect(parts.map((it) => it.drawn.entries.length)).toEqual([...Array<number>(41).fill(120), 66]);
  });

  it("takes what has lost its parent as a root", () => {
    expect(told(drawn(treeOf([node("a"), node("b", "gone")], "b"), none, none))).toBe("a ; b");
  });
});

describe("the layout", () => {
  const nodes = [...run("a", 2), ...run("b", 2, "a1"), ...run("c", 3, "a1")];
  const placed = layout(drawn(treeOf(nodes, "c2"), none, none));

  it("puts each branch into a column of its own and rows one below the other", () => {
    expect(placed.rows).toBe(5);
    expect(placed.columns).toBe(2);
    const where = Object.fromEntries(placed.all.map(({ drawn, column, row }) => [drawn.key, [column, row]]));
    expect(where).toEqual({
      a0: [0.5, 0],
      a1: [0.5, 1],
      b0: [0, 2],
      c0: [1, 2],
      b1: [0, 3],
      c1: [1, 3],
      c2: [1, 4],
    });
  });

  it("gives what is in view", () => {
    expect(inView(placed, 2, 4).map((it) => it.drawn.key)).toEqual(["b0", "c0", "b1", "c1"]);
  });

  it("is walked by arrow keys: down the active branch, and across", () => {
    const at = (key: string) => placed.byKey.get(key);
    const go = (key: string, to: "up" | "down" | "left" | "right") => {
      const from = at(key);
      return from && neighbour(placed, from, to)?.drawn.key;
    };
    expect([go("a1", "down"), go("c0", "left"), go("b0", "right"), go("b0", "up"), go("a0", "up")]).toEqual([
      "c0",
      "b0",
      "c0",
      "a1",
      undefined,
    ]);
  });

  it("stands for thousands of entries in one line", () => {
    const long = layout(drawn(treeOf(run("a", 5000), "a4999"), none, none));
    expect([long.rows, long.columns]).toEqual([15, 1]);
  });
});
