import { describe, expect, it } from "vitest";
import type { Trigger } from "../../../wire/frames";
import { EMPTY, type Form, formOf, missing, triggerOf } from "./form";
import { seconds, span } from "./span";

const ask = { ask: { aspect: "wren", text: "What is new?" } };
const form = (more: Partial<Form>): Form => ({
  ...EMPTY,
  name: "news",
  aspect: "wren",
  text: "What is new?",
  ...more,
});
const usual: Pick<Trigger, "misfire" | "overlap" | "jitter_s" | "retry"> = {
  misfire: "once",
  overlap: "skip",
  jitter_s: 0,
  retry: { max: 0, backoff_s: [] },
};

describe("a definition", () => {
  it("is made of each kind, with what is usual for it", () => {
    const whens: [Partial<Form>, Trigger["when"], Trigger["overlap"]][] = [
      [{ when: "cron", cron: " 0 8 * * * " }, { cron: "0 8 * * *" }, "skip"],
      [{ when: "every", every: "90s" }, { every: { seconds: 90 } }, "skip"],
      [
        { when: "event", kinds: "message, dispatch_ended" },
        { event: { kinds: ["message", "dispatch_ended"] } },
        "skip",
      ],
      [
        { when: "event", kinds: "message", by: "wren" },
        { event: { kinds: ["message"], by: "wren" } },
        "skip",
      ],
      [
        { when: "after", afterTrigger: "sweep", on: "failure" },
        { after: { trigger: "sweep", on: "failure" } },
        "skip",
      ],
      [
        { when: "after", afterWhat: "flow", afterFlow: "greet" },
        { after: { flow: "greet", on: "success" } },
        "skip",
      ],
      [
        { when: "watch", url: "https://example.com/" },
        { watch: { url: "https://example.com/", every_s: 300 } },
        "queue",
      ],
      [
        { when: "files", watch: "runner/inbox", changes: ["created"] },
        { files: { watch: "runner/inbox", kinds: ["created"] } },
        "queue",
      ],
      [{ when: "webhook", preset: "slack" }, { webhook: { preset: "slack" } }, "queue"],
      [{ when: "manual" }, "manual", "skip"],
    ];
    for (const [more, when, overlap] of whens) {
      expect(missing(form(more))).toBeUndefined();
      expect(triggerOf(form(more))).toEqual({ ...usual, name: "news", when, do: ask, overlap });
    }
  });

  it("has the policies that were written", () => {
    const more = form({
      when: "manual",
      does: "dispatch",
      hand: "bo/count",
      input: '"one two"',
      deadline: "1h 30m",
      tokens: "5000",
      dollars: "0.25",
      misfire: "all",
      catchUp: "7",
      overlap: "replace",
      jitter: "5m",
      retries: "2",
      backoff: "10s, 1m",
      description: "counts",
    });
    expect(triggerOf(more)).toEqual({
      name: "news",
      when: "manual",
      do: { dispatch: { hand: "bo/count", input: "one two", deadline_s: 5400 } },
      misfire: { all: 7 },
      overlap: "replace",
      jitter_s: 300,
      retry: { max: 2, backoff_s: [10, 60] },
      budget: { tokens: 5000, cost_microusd: 250_000 },
      description: "counts",
    });
  });

  it("is as it was when nothing is changed in the form, with what the form does not show", () => {
    const all: Trigger[] = [
      { name: "a", when: { cron: "0 8 * * *" }, timezone: "Europe/Berlin", do: ask, ...usual },
      { name: "b", when: { every: { seconds: 90, anchor: 12_345 } }, do: ask, ...usual, misfire: { all: 3 } },
      { name: "c", when: { at: 1_900_000_000_123 }, do: ask, ...usual, expires_at: 1_900_000_500_777 },
      { name: "d", when: { event: { kinds: ["message"], by: "wren", thread: "t" } }, do: ask, ...usual },
      {
        name: "e",
        when: { watch: { url: "https://example.com/", every_s: 61 } },
        do: { dispatch: { hand: "bo/count", input: null, deadline_s: 61 } },
        ...usual,
        budget: { cost_microusd: 1 },
        retry: { max: 1, backoff_s: [7, 3600] },
        jitter_s: 61,
      },
      {
        name: "f",
        when: { files: { watch: "runner/inbox", kinds: [] } },
        do: { flow: { id: "greet" } },
        ...usual,
      },
      { name: "g", when: { webhook: { preset: "generic" } }, do: ask, ...usual, description: "of a service" },
      {
        name: "i",
        when: "manual",
        do: {
          dispatch: {
            capability: { needs: ["rust", "review"], likes: [], prefer: ["bo"], avoid: [] },
            input: { text: "x" },
          },
        },
        ...usual,
      },
      // Of a broker that knows more.
      {
        name: "h",
        when: { tide: { port: "x" } },
        do: { sing: { loud: true } },
        ...usual,
        colour: 3,
      } as unknown as Trigger,
    ];
    for (const one of all) expect(triggerOf(formOf(one), one)).toEqual(one);
  });

  it("loses what belongs to another kind", () => {
    const base: Trigger = {
      name: "a",
      when: { cron: "0 8 * * *" },
      timezone: "Europe/Berlin",
      do: ask,
      ...usual,
    };
    const changed = triggerOf({ ...formOf(base), when: "every", every: "2h", description: "" }, base);
    const when = { every: { seconds: 7200 } };
    expect(changed).toEqual({ name: "a", when, timezone: "Europe/Berlin", do: ask, ...usual });
  });

  it("has its time zone, whatever kind it is of", () => {
    const timezone = " Pacific/Kiritimati ";
    for (const when of ["every", "webhook", "manual"] as const) {
      const without = triggerOf(form({ when }));
      const made = triggerOf(form({ when, timezone }));
      expect(made).toEqual({ ...without, timezone: "Pacific/Kiritimati" });
      expect(triggerOf({ ...formOf(made), timezone: "" }, made)).toStrictEqual(without);
    }
  });

  it("says what cannot be meant", () => {
    const wrong: [Partial<Form>, string][] = [
      [{ when: "every", every: "5" }, 'How often: "5" has no unit'],
      [{ when: "every", every: "soon" }, 'How often: "soon" is no length of time'],
      [{ when: "at", at: "x" }, 'Time: "x" is no time'],
      [{ when: "watch", url: "example" }, 'Address: "example" is none'],
      [{ when: "files", watch: "inbox" }, 'Watch: "inbox" is none'],
      [{ misfire: "all", catchUp: "101" }, 'Caught up: "101" is no number from 1 to 100'],
      [{ retries: "many" }, 'Tried again: "many" is no number'],
      [{ backoff: "10s, 1" }, 'Wait before each: "1" has no unit'],
      [{ does: "dispatch", hand: "bo/count", tokens: "-1" }, 'Tokens: "-1" is no number above 0'],
      [{ does: "flow", flow: "greet", input: "{" }, "Input: this is no JSON"],
    ];
    for (const [more, message] of wrong) expect(() => triggerOf(form(more))).toThrow(message);
  });
});

describe("a length of time", () => {
  it("is read and written in its largest unit", () => {
    for (const [text, value, written] of [
      ["90s", 90, "90s"],
      ["10m", 600, "10m"],
      ["24h", 86_400, "1d"],
      ["1h30m", 5400, "90m"],
    ] as const) {
      expect(seconds(text, "x")).toBe(value);
      expect(span(value)).toBe(written);
    }
    for (const text of ["", "m", "-1m", "1.5h", "0s", "1w"]) expect(() => seconds(text, "x")).toThrow();
  });
});
