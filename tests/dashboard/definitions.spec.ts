/** What rows of a registry have to be like, written in the page: new, again, refused where it stands, and while somebody else does. */
import type { Nexus } from "./lib/nexus";
import { type Page, everyLook, expect, goTo, test } from "./lib/test";

const clients = {
  name: "clients",
  description: "Whom we work for.",
  key: "id",
  fields: [
    { name: "id", type: "string" },
    { name: "mail", type: "string", description: "Where invoices go" },
    { name: "level", type: "integer", enum: [1, 2] },
  ],
  writers: ["ada"],
};
const put = (nexus: Nexus, registry: object, entries: unknown[] = []) =>
  nexus.api("PUT", "registries/clients", { registry, entries });
const kept = async (nexus: Nexus) =>
  nexus.api<{ registry: object; version: number }>("GET", "registries/clients");
/** The part of the dialog about one field. */
const field = (page: Page, name: string) => page.getByRole("group", { name, exact: true });

test("a registry is defined in the page, and what cannot be is said where it is typed", async ({
  nexus,
  ana,
}) => {
  await goTo(ana, "Registries");
  await ana.keyboard.press("n");
  const dialog = ana.getByRole("dialog", { name: "Define a registry" });
  await dialog.getByLabel("Name", { exact: true }).fill("clients");
  await dialog.getByRole("textbox", { name: "About" }).first().fill("Whom we work for.");
  await field(ana, "New field").getByRole("textbox", { name: "Field" }).fill("id");
  await dialog.getByRole("button", { name: "Add a field" }).click();
  await field(ana, "New field").getByRole("textbox", { name: "Field" }).fill("id");
  const second = dialog.getByRole("group").last();
  await second.getByLabel("Type").selectOption("integer");
  await second.getByLabel("Values there may be").fill("1\nmany");
  await dialog.getByLabel("A row is named by").selectOption("id");
  await dialog.getByLabel("Aspects that may write").fill("ada");
  await dialog.getByRole("button", { name: "Define", exact: true }).click();
  await expect(second).toContainText("“many” is no number");
  await second.getByLabel("Values there may be").fill("1\n2");
  await dialog.getByRole("button", { name: "Define", exact: true }).click();
  await expect(second).toContainText("there is a field id before");
  await everyLook(ana, "registries-define");
  await second.getByRole("textbox", { name: "Field" }).fill("level");
  await dialog.getByRole("button", { name: "Define", exact: true }).click();
  await expect(dialog).toBeHidden();
  await expect(ana.getByRole("heading", { name: "clients", level: 2 })).toBeVisible();
  const { fields } = clients;
  expect(await kept(nexus)).toMatchObject({
    registry: { ...clients, fields: [fields[0], fields[2]] },
    version: 1,
  });

  // One that is there is not written over by one that is to be new.
  await goTo(ana, "Registries");
  await ana.getByRole("button", { name: "Define a registry" }).click();
  await dialog.getByLabel("Name", { exact: true }).fill("clients");
  await field(ana, "New field").getByRole("textbox", { name: "Field" }).fill("x");
  await dialog.getByRole("button", { name: "Define", exact: true }).click();
  await expect(dialog).toContainText("There is a registry clients already.");
});

test("what rows would no longer fit is said beside the field, and nothing is changed", async ({
  nexus,
  ana,
}) => {
  await put(nexus, clients, [
    { id: "acme", mail: "a@b", level: 2 },
    { id: "blue", level: 1 },
    { id: "coal" },
  ]);
  await ana.goto(`${nexus.url}/registries/clients?show=definition`);
  await ana.getByRole("button", { name: "Change…" }).click();
  const dialog = ana.getByRole("dialog", { name: "Change what rows of clients have to be like" });
  await field(ana, "mail").getByLabel("Required").check();
  await field(ana, "level").getByLabel("Values there may be").fill("1");
  await dialog.getByRole("button", { name: "Write", exact: true }).click();
  await expect(field(ana, "mail")).toContainText("Row blue: every row has it");
  await expect(field(ana, "mail")).toContainText("Row coal: every row has it");
  await expect(field(ana, "level")).toContainText("Row acme: expected one of 1, got 2");
  await everyLook(ana, "registries-misfits");
  await field(ana, "mail").getByLabel("Required").uncheck();
  await dialog.getByRole("button", { name: "Take level out" }).click();
  await dialog.getByRole("button", { name: "Write", exact: true }).click();
  await expect(dialog.getByRole("alert").first()).toContainText("Row acme: level: there is no such field");
  expect((await kept(nexus)).version).toBe(1);
  await ana.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
});

test("who writes while somebody else does is shown both, and nothing is lost", async ({ nexus, ana }) => {
  await put(nexus, clients, [{ id: "acme", mail: "a@b" }]);
  await ana.goto(`${nexus.url}/registries/clients?show=definition`);
  await ana.getByRole("button", { name: "Change…" }).click();
  const dialog = ana.getByRole("dialog", { name: "Change what rows of clients have to be like" });
  await field(ana, "mail").getByLabel("Unique").check();
  await dialog.getByRole("button", { name: "Add a field" }).click();
  await field(ana, "New field").getByRole("textbox", { name: "Field" }).fill("since");
  await field(ana, "since").getByLabel("Type").selectOption("date");
  const hours = { name: "hours", type: "number" };
  await put(nexus, { ...clients, description: "Customers.", fields: [...clients.fields, hours] });
  await dialog.getByRole("button", { name: "Write", exact: true }).click();
  const told = dialog.getByRole("alert");
  await expect(told).toContainText("The definition was changed meanwhile by operator/admin");
  await expect(
    told.getByRole("row", { name: /^description Whom we work for\. as it is Customers\./ }),
  ).toBeVisible();
  await expect(told.getByRole("row", { name: /^field hours – as it is number/ })).toBeVisible();
  await expect(told.getByRole("row", { name: /^field since – date –/ })).toBeVisible();
  await everyLook(ana, "registries-moved");
  await dialog.getByRole("button", { name: "Write mine over it" }).click();
  await expect(dialog).toBeHidden();
  const [id, mail, level] = clients.fields;
  const both = [id, { ...mail, unique: true }, level, hours, { name: "since", type: "date" }];
  expect(await kept(nexus)).toMatchObject({
    registry: { ...clients, description: "Customers.", fields: both },
    version: 3,
  });
  await expect(ana.getByRole("table", { name: "Fields" }).getByRole("row", { name: /^since/ })).toBeVisible();

  await ana.getByRole("button", { name: "Change…" }).click();
  await field(ana, "level").getByRole("textbox", { name: "Field" }).fill("grade");
  await nexus.api("DELETE", "registries/clients");
  await dialog.getByRole("button", { name: "Write", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText("The registry was deleted meanwhile.");
  await expect(dialog.getByRole("button", { name: "Write mine over it" })).toBeDisabled();
});
