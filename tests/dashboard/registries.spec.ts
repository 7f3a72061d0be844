/** Registries: rows written where they stand, what came in between, history, long lists; for operators and for viewers. */
import type { Nexus } from "./lib/nexus";
import { type Page, PASSWORD, everyLook, expect, goTo, logIn, picture, test } from "./lib/test";

const clients = {
  name: "clients",
  description: "Whom we work for.",
  key: "id",
  fields: [
    { name: "id", type: "string" },
    { name: "mail", type: "string", required: true, unique: true, description: "Where invoices go" },
    { name: "state", type: "string", enum: ["lead", "active", "gone"] },
    { name: "hours", type: "number" },
    { name: "since", type: "date" },
    { name: "vip", type: "boolean" },
    { name: "notes", type: "json" },
  ],
  writers: ["ada"],
};
const acme = { id: "acme", mail: "ana@acme.example", state: "lead", hours: 3 };
const blue = { id: "blue & co/1", mail: "bo@blue.example" };

const put = (
  nexus: Nexus,
  entries: unknown[] = [acme, blue],
  registry: { name: string; key?: string; fields: object[] } = clients,
) => nexus.api("PUT", `registries/${registry.name}`, { registry, entries });
const change = (nexus: Nexus, row: string, values: object) =>
  nexus.api("POST", "registries/clients/rows", { row, values });
const rowOf = (nexus: Nexus, row: string) =>
  nexus.api<{ values: object; version: number }>("GET", `registries/clients/rows/${encodeURIComponent(row)}`);
const sheet = (page: Page) => page.getByRole("table", { name: "Rows of clients" });
const cell = (page: Page, field: string, row: string) =>
  sheet(page).getByRole("button", { name: new RegExp(`^${field} of ${row}:`) });
const aside = (page: Page, row: string) => page.getByRole("complementary", { name: `Row ${row}` });

test("rows are added, changed where they stand, and removed", async ({ nexus, ana }) => {
  await goTo(ana, "Registries");
  await expect(ana.getByText("There is no registry yet.")).toBeVisible();
  await put(nexus);
  const list = ana.getByRole("table", { name: "Registries" });
  await expect(list).toContainText("Whom we work for.");
  await everyLook(ana, "registries");
  await list.getByText("clients", { exact: true }).click();
  await expect(sheet(ana).locator("tbody tr")).toHaveCount(2);
  await everyLook(ana, "registries-rows");

  // A cell, by the keyboard: arrows go there, Enter opens it, Enter writes.
  await ana.keyboard.press("j");
  for (const key of ["ArrowRight", "ArrowRight", "ArrowRight"]) await ana.keyboard.press(key);
  await expect(cell(ana, "hours", "acme")).toBeFocused();
  await ana.keyboard.press("Enter");
  await ana.keyboard.press("ControlOrMeta+A");
  await ana.keyboard.type("many");
  await ana.keyboard.press("Enter");
  await expect(sheet(ana).getByText("“many” is no number")).toBeVisible();
  await picture(ana, "registries-cell");
  await ana.keyboard.press("ControlOrMeta+A");
  await ana.keyboard.type("12.5");
  await ana.keyboard.press("Enter");
  await expect(cell(ana, "hours", "acme")).toHaveText("12.5");
  await expect(cell(ana, "hours", "acme")).toBeFocused();
  expect(await rowOf(nexus, "acme")).toMatchObject({ values: { ...acme, hours: 12.5 } });
  // Escape leaves it as it is; nothing takes a value away.
  await ana.keyboard.press("Enter");
  await ana.keyboard.type("99");
  await ana.keyboard.press("Escape");
  await expect(cell(ana, "hours", "acme")).toHaveText("12.5");
  await ana.keyboard.press("Enter");
  await ana.keyboard.press("ControlOrMeta+A");
  await ana.keyboard.press("Delete");
  await ana.keyboard.press("Enter");
  await expect(cell(ana, "hours", "acme")).toHaveText("–");
  await cell(ana, "state", "acme").click();
  await sheet(ana).getByLabel("state of acme").selectOption("active");
  await sheet(ana).getByRole("button", { name: "Write it" }).click();
  await expect(cell(ana, "state", "acme")).toHaveText("active");
  // What does not fit is said where it stands, by the broker.
  await cell(ana, "mail", "acme").click();
  await sheet(ana).getByLabel("mail of acme").fill("bo@blue.example");
  await ana.keyboard.press("Enter");
  await expect(
    sheet(ana)
      .getByText(/bo@blue.example/)
      .last(),
  ).toBeVisible();
  await sheet(ana).getByRole("button", { name: "Leave it" }).click();

  await ana.keyboard.press("n");
  const dialog = ana.getByRole("dialog", { name: "Add a row to clients" });
  await dialog.getByLabel("id").fill("cyan");
  await dialog.getByLabel("notes").fill("{");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog.getByText("This is no JSON")).toBeVisible();
  await dialog.getByLabel("notes").fill('{"floor": 3}');
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog.locator(".field-error")).toBeVisible();
  await everyLook(ana, "registries-add");
  await dialog.getByLabel("mail").fill("cy@cyan.example");
  await dialog.getByLabel("since").fill("2026-11-26");
  await dialog.getByLabel("vip").selectOption("true");
  await dialog.getByLabel("mail").press("Enter");
  await expect(dialog).toBeHidden();
  const cyan = aside(ana, "cyan");
  await expect(cyan).toContainText("cy@cyan.example");
  expect(await rowOf(nexus, "cyan")).toMatchObject({
    values: { id: "cyan", mail: "cy@cyan.example", since: "2026-11-26", vip: true, notes: { floor: 3 } },
  });
  // A name that means something in an address is a name all the same.
  await sheet(ana).getByRole("link", { name: "blue & co/1" }).click();
  await aside(ana, "blue & co/1").getByRole("button", { name: "Remove…" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await expect(sheet(ana).locator("tbody tr")).toHaveCount(2);
  // The list may know before the page has left the row.
  await expect(aside(ana, "blue & co/1")).toBeHidden();
  await ana.goBack();
  await expect(ana.getByText("There is no row blue & co/1.")).toBeVisible();
  await expect(aside(ana, "blue & co/1").getByRole("list", { name: /^Changes/ })).toContainText("removed");
});

test("what somebody changed meanwhile is shown, and not written over unasked", async ({ nexus, ana }) => {
  await put(nexus);
  await ana.goto(`${nexus.url}/registries/clients`);
  await cell(ana, "state", "acme").click();
  await change(nexus, "acme", { state: "gone", hours: 4 });
  await sheet(ana).getByLabel("state of acme").selectOption("active");
  await sheet(ana).getByRole("button", { name: "Write it" }).click();
  const over = ana.getByRole("dialog", { name: "Write state of acme all the same?" });
  await expect(over.getByRole("alert")).toContainText("The row was changed meanwhile");
  await expect(over.getByRole("row", { name: "state lead active gone" })).toBeVisible();
  await expect(over.getByRole("row", { name: "hours 3 as it is 4" })).toBeVisible();
  await everyLook(ana, "registries-conflict");
  await over.getByRole("button", { name: "Leave theirs" }).click();
  await expect(cell(ana, "state", "acme")).toHaveText("gone");

  await sheet(ana).getByRole("link", { name: "acme" }).click();
  await aside(ana, "acme").getByRole("button", { name: "Change…" }).click();
  const dialog = ana.getByRole("dialog", { name: "Change acme" });
  await dialog.getByLabel("hours").fill("40");
  await change(nexus, "acme", { state: "lead" });
  await dialog.getByRole("button", { name: "Write", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText("The row was changed meanwhile");
  // Mine goes over theirs where I wrote, and nowhere else.
  await dialog.getByRole("button", { name: "Write mine over it" }).click();
  await expect(dialog).toBeHidden();
  expect(await rowOf(nexus, "acme")).toMatchObject({ values: { state: "lead", hours: 40 } });

  await aside(ana, "acme").getByRole("button", { name: "Change…" }).click();
  await dialog.getByLabel("hours").fill("41");
  await nexus.api("DELETE", "registries/clients/rows/acme");
  await dialog.getByRole("button", { name: "Write", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText("The row was removed meanwhile");
  await expect(dialog.getByRole("button", { name: "Write mine over it" })).toBeDisabled();
  await ana.keyboard.press("Escape");

  await ana.keyboard.press("n");
  const add = ana.getByRole("dialog", { name: "Add a row to clients" });
  await add.getByLabel("id").fill("blue & co/1");
  await add.getByLabel("mail").fill("new@blue.example");
  await add.getByRole("button", { name: "Add", exact: true }).click();
  await expect(add.getByRole("alert")).toContainText("There is a row blue & co/1 already");
});

test("the definition, the history, and a registry that is deleted", async ({ nexus, ana }) => {
  await put(nexus);
  await change(nexus, "acme", { state: "active", hours: null });
  await ana.goto(`${nexus.url}/registries/clients?row=acme`);
  const changes = aside(ana, "acme")
    .getByRole("list", { name: /^Changes/ })
    .getByRole("listitem");
  await expect(changes).toHaveCount(2);
  await expect(changes.first()).toContainText(/changed.*hours.*3.*–.*state.*lead.*active/s);
  await everyLook(ana, "registries-row");
  const tabs = ana.getByRole("navigation", { name: "What is shown" });
  await tabs.getByRole("link", { name: "Definition" }).click();
  const fields = ana.getByRole("table", { name: "Fields" });
  await expect(fields.getByRole("row", { name: /^mail/ })).toContainText("Where invoices go");
  await expect(fields.getByRole("row", { name: /^state/ })).toContainText("lead, active, gone");
  await expect(ana.getByText("operators, admins, ada")).toBeVisible();
  await everyLook(ana, "registries-definition");
  await tabs.getByRole("link", { name: "History" }).click();
  await expect(ana.getByRole("list", { name: /^Changes/ }).getByRole("listitem")).toHaveCount(3);
  await everyLook(ana, "registries-history");
  await ana.getByRole("link", { name: "acme" }).first().click();
  await expect(aside(ana, "acme")).toBeVisible();

  await ana.getByRole("button", { name: "Delete…" }).click();
  const sure = ana.getByRole("dialog", { name: "Delete clients?" });
  await expect(sure.getByRole("button", { name: "Delete", exact: true })).toBeDisabled();
  await sure.getByLabel("Type clients to confirm").fill("clients");
  await sure.getByRole("button", { name: "Delete", exact: true }).click();
  await expect(ana.getByText("There is no registry yet.")).toBeVisible();
  await ana.goto(`${nexus.url}/registries/clients`);
  await expect(ana.getByText("There is no registry clients.")).toBeVisible();
});

test("long lists come in pages, a filter narrows them, and rows without a key have ids", async ({
  nexus,
  ana,
}) => {
  const fields = [
    { name: "n", type: "integer", required: true },
    { name: "what", type: "string" },
  ];
  const many = Array.from({ length: 250 }, (_, n) => ({
    n,
    what: n === 7 ? "line one\nline two" : `thing ${n}`,
  }));
  await put(nexus, many, { name: "things", key: "n", fields });
  await ana.goto(`${nexus.url}/registries/things`);
  const rows = ana.getByRole("table", { name: "Rows of things" }).locator("tbody tr");
  await expect(rows).toHaveCount(100);
  await ana.getByRole("button", { name: "More rows" }).click();
  await ana.getByRole("button", { name: "More rows" }).click();
  await expect(rows).toHaveCount(250);
  await expect(ana.getByRole("button", { name: "More rows" })).toHaveCount(0);
  await ana.keyboard.press("/");
  await ana.keyboard.type("n >");
  await ana.keyboard.press("Enter");
  await expect(ana.getByRole("alert")).toContainText("The rows could not be read");
  await picture(ana, "registries-filter");
  await ana.getByRole("searchbox", { name: "Filter" }).fill("n < 8 and n > 5");
  await ana.keyboard.press("Enter");
  await expect(rows).toHaveCount(2);
  // Several lines are no matter for a cell.
  await rows
    .nth(1)
    .getByRole("button", { name: /^what of 7/ })
    .click();
  const dialog = ana.getByRole("dialog", { name: "Change 7" });
  await expect(dialog.getByLabel("what")).toHaveValue("line one\nline two");
  await ana.keyboard.press("Escape");
  await ana.getByRole("searchbox", { name: "Filter" }).fill("n == 1000");
  await ana.keyboard.press("Enter");
  await expect(ana.getByText("No row is like that.")).toBeVisible();

  await put(nexus, [], { name: "lines", fields: [{ name: "text", type: "string" }] });
  await ana.goto(`${nexus.url}/registries/lines`);
  await expect(ana.getByText("There is no row yet.")).toBeVisible();
  await ana.getByRole("button", { name: "Add a row" }).click();
  await ana.getByRole("dialog").getByLabel("text").fill("first");
  await ana.keyboard.press("Enter");
  await expect(ana.getByRole("complementary", { name: /^Row row / })).toContainText("first");
});

test("a viewer reads, is offered nothing that writes, and a phone is wide enough", async ({
  nexus,
  page,
  ana,
}) => {
  await put(nexus);
  await nexus.api("POST", "operators", { name: "vera", role: "viewer", token_sha256: "1".repeat(64) });
  await nexus.api("PUT", "operators/vera/password", { password: PASSWORD });
  await ana.context().clearCookies();
  await logIn(page, nexus, "vera");
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.getByRole("table", { name: "Registries" }).locator("tbody tr").focus();
  await page.keyboard.press("Enter");
  await expect(sheet(page).locator("tbody tr")).toHaveCount(2);
  await expect(page.getByRole("main").getByRole("button")).toHaveCount(0);
  await sheet(page).getByRole("link", { name: "acme" }).click();
  await expect(aside(page, "acme")).toContainText("ana@acme.example");
  await expect(page.getByRole("main").getByRole("button")).toHaveText(["✕"]);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(sheet(page)).toBeHidden();
  await page.keyboard.press("Escape");
  await expect(sheet(page)).toBeVisible();
  // What changes is shown while one looks.
  await change(nexus, "acme", { state: "gone" });
  await expect(sheet(page)).toContainText("gone");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(wide, "nothing stands out over the side").toBe(false);
});
