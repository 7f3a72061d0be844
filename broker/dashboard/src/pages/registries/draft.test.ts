import { describe, expect, it } from "vitest";
import type { Registry } from "../../wire/frames";
import { type Draft, differences, draftOf, isChanged, nothing, placed, registryOf, together } from "./draft";

const clients: Registry = {
  name: "clients",
  description: "Whom we work for.",
  key: "id",
  fields: [
    { name: "id", type: "string" },
    { name: "mail", type: "string", required: true, unique: true, description: "Where invoices go" },
    { name: "level", type: "integer", enum: [1, 2] },
  ],
  writers: ["ada", "bo"],
};
const change = (what: Partial<Registry>): Registry => ({ ...clients, ...what });
const field = (at: number, what: object): Registry =>
  change({ fields: clients.fields.map((it, place) => (place === at ? { ...it, ...what } : it)) });

describe("a definition while it is written", () => {
  it("comes back as it went", () => {
    expect(registryOf(draftOf(clients))).toEqual({ registry: clients });
    expect(isChanged(clients, clients)).toBe(false);
    expect(isChanged(clients, change({ fields: [...clients.fields].reverse() }))).toBe(true);
  });

  it("says which values cannot be meant, where they are typed", () => {
    const draft = draftOf(clients);
    const fields = draft.fields.map((it) =>
      it.name === "level" ? { ...it, options: "1\nmany\n\n2.5" } : it,
    );
    expect(registryOf({ ...draft, fields })).toEqual({
      faults: { "fields[2].options": ["“many” is no number", "“2.5” is no whole number"] },
    });
  });

  it("has what the broker says where it belongs", () => {
    const draft: Draft = {
      ...draftOf(clients),
      fields: [...draftOf(clients).fields, { ...nothing(9), name: "id" }],
    };
    const sent = registryOf(draft);
    if (!("registry" in sent)) throw new Error("it can be meant");
    const told = [
      { at: "fields[3].name", message: "there is a field id before" },
      { at: "fields[2].enum[1]", message: "stands there before" },
      { at: "key", message: "there is no such field" },
      { at: "", message: "too large" },
      { at: "mail", row: "acme", message: "every row has it" },
      { at: "hours", row: "acme", message: "there is no such field" },
    ];
    expect(placed(told, draft, sent.registry)).toEqual({
      "fields[3].name": ["there is a field id before"],
      "fields[2].options": ["stands there before"],
      key: ["there is no such field"],
      "fields[1].rows": ["Row acme: every row has it"],
      "": ["too large", "Row acme: hours: there is no such field"],
    });
  });

  it("goes together with what somebody else has made of it meanwhile", () => {
    const mine = change({
      fields: [
        ...clients.fields.slice(0, 1),
        { name: "mail", type: "string", unique: true, description: "Where invoices go" },
        { name: "since", type: "date" },
      ],
    });
    const theirs = change({
      description: "Customers.",
      fields: [...clients.fields, { name: "hours", type: "number" }],
    });
    expect(together(clients, mine, theirs)).toEqual({
      ...clients,
      description: "Customers.",
      fields: [mine.fields[0], mine.fields[1], { name: "hours", type: "number" }, mine.fields[2]],
    });
    expect(differences(clients, mine, theirs)).toEqual([
      { part: "description", before: "Whom we work for.", theirs: "Customers." },
      {
        part: "field mail",
        before: "string, required, unique, “Where invoices go”",
        mine: "string, unique, “Where invoices go”",
        theirs: "string, required, unique, “Where invoices go”",
      },
      { part: "field level", before: "integer, one of 1, 2", mine: "", theirs: "integer, one of 1, 2" },
      { part: "field since", before: "", mine: "date", theirs: "" },
      { part: "field hours", before: "", theirs: "number" },
    ]);
  });

  it("takes mine where both changed the same", () => {
    const [mine, theirs] = [field(2, { enum: [1, 2, 3] }), field(2, { enum: [1] })];
    expect(together(clients, mine, theirs)).toEqual(mine);
    expect(together(clients, change({ key: "mail" }), change({ writers: [] })).key).toBe("mail");
  });
});
