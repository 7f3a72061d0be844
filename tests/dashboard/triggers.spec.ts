/** Triggers: made, planned, fired, paused and deleted in the page, and their history as the broker has it. */
import { type Page, everyLook, expect, goTo, logIn, test } from "./lib/test";

const row = (page: Page, name: string) =>
  page.getByRole("table", { name: "Triggers" }).getByText(name, { exact: true });
const panel = (page: Page, name: string) => page.getByRole("complementary", { name: `Trigger ${name}` });

test("a trigger is made, fired, and its history says what became of it", async ({ nexus, ana }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Triggers");
  await expect(ana.getByText("Nothing happens by itself yet.")).toBeVisible();
  await ana.keyboard.press("n");
  const dialog = ana.getByRole("dialog", { name: "New trigger" });
  await dialog.getByLabel("Name").fill("morning");
  await dialog.getByLabel("Time zone").fill("Mars/Olympus");
  await dialog.getByLabel("Aspect").selectOption("ada");
  await dialog.getByLabel("Text").fill("good morning");
  await everyLook(ana, "triggers-new");
  await dialog.getByRole("button", { name: "Set", exact: true }).click();
  // What was typed stays, and the broker says what is wrong with it.
  await expect(dialog.getByRole("alert")).toContainText("Mars/Olympus");
  await dialog.getByLabel("Time zone").fill("Europe/Berlin");
  await dialog.getByLabel("Name").press("Enter");
  await expect(dialog).toBeHidden();

  const morning = panel(ana, "morning");
  await expect(morning.getByText("0 8 * * 1-5, Europe/Berlin")).toBeVisible();
  await expect(morning.locator(".trigger-next li")).toHaveCount(5);
  await expect(morning.getByText("It has not been due yet.")).toBeVisible();
  await morning.getByRole("button", { name: "Fire now…" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Fire", exact: true }).click();
  const slots = morning.locator(".slots li");
  await expect(slots).toHaveCount(1);
  await expect(slots).toContainText("done");
  await expect(slots).toContainText("operator/ana");
  const history = await nexus.api<{ slots: { no: number; state: string; cause: unknown }[] }>(
    "GET",
    "triggers/morning/history",
  );
  expect(history.slots.map(({ no, state, cause }) => ({ no, state, cause }))).toEqual([
    { no: 1, state: "done", cause: { person: "operator/ana" } },
  ]);
  await everyLook(ana, "triggers-one");
  await slots.getByRole("link", { name: "conversation" }).click();
  await expect(ana.getByRole("log", { name: "Messages" })).toContainText("good morning");
});

test("the plan has every trigger in its order, and one that is paused is in it no more", async ({
  nexus,
  ana,
}) => {
  await nexus.online("ada", "bo");
  const work = { dispatch: { hand: "bo/count", input: "one two" } };
  await nexus.api("POST", "triggers", { name: "hourly", when: { every: { seconds: 3600 } }, do: work });
  await nexus.api("POST", "triggers", { name: "often", when: { every: { seconds: 1800 } }, do: work });
  await nexus.api("POST", "triggers", { name: "by-hand", when: "manual", do: work });
  await goTo(ana, "Triggers");
  await expect(row(ana, "often")).toBeVisible();
  await expect(ana.getByRole("table", { name: "Triggers" }).locator("tbody tr")).toContainText([
    "often",
    "hourly",
    "by-hand",
  ]);
  await everyLook(ana, "triggers");
  await ana.getByRole("link", { name: "Plan" }).click();
  const planned = ana.locator(".plan li");
  // In the first hour one is due twice and the other once.
  await expect(planned.nth(0)).toContainText("often");
  await expect(planned.filter({ hasText: "by-hand" })).toHaveCount(0);
  await everyLook(ana, "triggers-plan");
  await planned.filter({ hasText: "hourly" }).first().getByRole("button").click();
  const hourly = panel(ana, "hourly");
  await hourly.getByRole("button", { name: "Pause" }).click();
  await expect(planned.filter({ hasText: "hourly" })).toHaveCount(0);
  await expect(hourly.getByRole("button", { name: "Resume" })).toBeVisible();
  expect((await nexus.api<{ status: string }>("GET", "triggers/hourly")).status).toBe("paused");
  await hourly.getByRole("button", { name: "Resume" }).click();
  await expect(planned.filter({ hasText: "hourly" })).not.toHaveCount(0);
  await hourly.getByRole("button", { name: "Delete…" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await expect(planned.filter({ hasText: "hourly" })).toHaveCount(0);
  await ana.goto(`${nexus.url}/triggers/hourly`);
  await expect(ana.getByText("There is no trigger hourly.")).toBeVisible();
});

test("a viewer sees triggers and is offered nothing that changes them", async ({ nexus, page, ana }) => {
  const ask = { ask: { aspect: "ada", text: "hello" } };
  await nexus.api("POST", "triggers", { name: "hello", when: "manual", do: ask });
  await nexus.api("POST", "operators", { name: "vic", role: "viewer", token_sha256: "1".repeat(64) });
  await nexus.api("PUT", "operators/vic/password", { password: "correct horse battery" });
  await ana.context().clearCookies();
  await logIn(page, nexus, "vic");
  await page.goto(`${nexus.url}/triggers/hello`);
  await expect(panel(page, "hello").getByText("by hand alone")).toBeVisible();
  for (const name of ["New trigger", "Fire now…", "Pause", "Delete…"])
    await expect(page.getByRole("button", { name })).toHaveCount(0);
});
