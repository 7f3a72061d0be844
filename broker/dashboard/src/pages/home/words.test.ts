import { describe, expect, it } from "vitest";
import type { HomeSource, HomeWidget } from "../../wire/http";
import { hrefOf, titleOf } from "./words";

const called = (widget: Omit<HomeWidget, "width">) => titleOf({ width: "wide", ...widget });

describe("a part of the home page", () => {
  it("is called as it says, or by what it shows", () => {
    const rates: HomeSource = { registry: { name: "rates", where: "a > 1 & b" } };
    expect(called({ kind: "table", title: "Prices", source: rates })).toBe("Prices");
    expect(called({ kind: "table", source: rates })).toBe("rates");
    expect(called({ kind: "agents" })).toBe("Who is there");
    expect(called({ kind: "markdown", text: "x" })).toBe("");
    expect(called({ kind: "chat", source: { thread: { with: "wren" } } })).toBe("With wren");
    const usage = { by: "day", days: 7, figure: "cost" } as const;
    expect(called({ kind: "stat", source: { usage } })).toBe("Spent in 7 days");
  });

  it("leads to the page that has all of it", () => {
    expect(hrefOf({ registry: { name: "rates", where: "a > 1 & b" } })).toBe(
      "/registries/rates?filter=a+%3E+1+%26+b",
    );
    expect(hrefOf({ runs: { flow: "day", state: "all" } })).toBe("/flows/of/day");
    expect(hrefOf({ waits: {} })).toBe("/approvals");
  });
});
