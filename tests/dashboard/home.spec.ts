/** Home: what waits, what is at work, what is planned and what was spent, a few lines of each that stay current. */
import { Aspect } from "./lib/aspect";
import { type Page, PASSWORD, everyLook, expect, goTo, logIn, test } from "./lib/test";

const flow = {
  id: "report",
  steps: [
    { id: "count", do: { dispatch: { hand: "bo/count", input: "one two" } } },
    { id: "leave", needs: ["count"], do: { approve: { text: "Send the report?" } } },
  ],
};
const part = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

test("everything that matters is there, leads to its page, and stays current", async ({ nexus, ana }) => {
  await nexus.online("ada", "bo");
  await expect(ana.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  await expect(part(ana, "Waits for you")).toContainText("No agent asks anything.");
  await expect(part(ana, "Alerts")).toContainText("Nothing wants attention.");
  await expect(part(ana, "At work")).toContainText("Nothing is at work.");
  await expect(part(ana, "Last runs")).toContainText("No flow has been run to its end yet.");
  await expect(part(ana, "Planned")).toContainText("Nothing is due in the next 24 hours.");
  await expect(part(ana, "Spent today")).toContainText("Nothing that has a price.");
  await expect(part(ana, "Who is there")).toContainText(/2 of 2.*ada.*bo/s);

  await nexus.api("PUT", "flows/report", flow);
  nexus.ctl("flow", "run", "report");
  await expect(part(ana, "Waits for you")).toContainText("Send the report?");
  await expect(part(ana, "At work")).toContainText(/running\s*report\s*1 of 2 steps/);
  const work = { dispatch: { hand: "bo/count", input: "one two" } };
  await nexus.api("POST", "triggers", { name: "hourly", when: { every: { seconds: 3600 } }, do: work });
  await expect(part(ana, "Planned").getByRole("listitem").first()).toContainText("hourly");
  await nexus.api("POST", "budgets", { per: "day", limit: { cost_microusd: 1_000_000 } });
  const moth = await Aspect.join(nexus, "moth");
  await moth.reply("The books are done.", {
    provider: "p",
    model: "m",
    usage: { input_tokens: 10, output_tokens: 5 },
    cost_microusd: 120_000,
  });
  await expect(part(ana, "Spent today")).toContainText(/\$0\.12.*moth/s);
  await expect(part(ana, "Waits for you").getByRole("list", { name: "Not read yet" })).toContainText(
    "1 unread",
  );
  await moth.ask("session.stuck", { session: "01990000-0000-7000-8000-000000000001", reason: "it is full" });
  await expect(part(ana, "Alerts")).toContainText("it is full");
  await expect(part(ana, "Spent today")).toContainText(/everybody together, a day\s*12 %/);
  await everyLook(ana, "home");

  await part(ana, "Waits for you").getByRole("link", { name: "Send the report?" }).click();
  await expect(ana.getByRole("heading", { name: "Approvals", level: 1 })).toBeVisible();
  const { approvals } = await nexus.api<{ approvals: { id: string }[] }>("GET", "approvals");
  nexus.ctl("approve", approvals[0]?.id ?? "");
  await ana.keyboard.press("g");
  await ana.keyboard.press("h");
  await expect(part(ana, "Last runs")).toContainText(/done\s*report/);
  await expect(part(ana, "At work")).toContainText("Nothing is at work.");
  await expect(part(ana, "Waits for you")).toContainText("No agent asks anything.");
  moth.leave();
  await expect(part(ana, "Who is there")).toContainText("2 of 3");
  await part(ana, "Planned").getByRole("link", { name: "Planned" }).click();
  await expect(ana.getByRole("heading", { name: "Triggers", level: 1 })).toBeVisible();
});

test("a viewer has a home, too, and a phone is wide enough for it", async ({ nexus, page, ana }) => {
  await nexus.api("POST", "operators", { name: "vera", role: "viewer", token_sha256: "1".repeat(64) });
  await nexus.api("PUT", "operators/vera/password", { password: PASSWORD });
  await nexus.api("PUT", "flows/report", flow);
  await nexus.online("ada", "bo");
  nexus.ctl("flow", "run", "report");
  await ana.context().clearCookies();
  await logIn(page, nexus, "vera");
  await expect(part(page, "Waits for you")).toContainText("Send the report?");
  await expect(page.getByRole("main").getByRole("button")).toHaveCount(0);
  await page.setViewportSize({ width: 390, height: 844 });
  await goTo(page, "Chat");
  await goTo(page, "Home");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(wide, "nothing stands out over the side").toBe(false);
});

test.describe("with nobody", () => {
  test.use({ options: { team: null } });

  test("it says how a team begins", async ({ ana }) => {
    await expect(part(ana, "Who is there")).toContainText("Nobody is on the team yet.");
    await everyLook(ana, "home-empty");
  });
});
