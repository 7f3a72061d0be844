/** Home as a workspace lays it out: every kind of part, what strangers wrote in it, a file that changes, a viewer, a phone. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aspect } from "./lib/aspect";
import type { Nexus } from "./lib/nexus";
import { type Page, PASSWORD, everyLook, expect, logIn, picture, test } from "./lib/test";

const part = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

/** What would be seen if it became markup. */
const NASTY = '<img src="https://elsewhere.example/x.png" onerror="document.title=1"><b>bold</b>';

const LAYOUT = `
home:
  widgets:
    - kind: markdown
      title: House rules
      width: full
      text: |
        Say **yes** once you have read it. [A way out](javascript:alert(1)), [another](https://docs.example/).
        <script>document.title = "taken"</script>${NASTY}
    - { kind: stat, source: waits }
    - { kind: stat, title: Alerts, source: alerts }
    - { kind: stat, title: Open clients, source: { registry: { name: clients, where: state == "open" } } }
    - { kind: stat, title: Spent, source: { usage: { days: 7 } } }
    - { kind: stat, title: Team, source: aspects }
    - { kind: table, title: Clients, source: { registry: { name: clients, columns: [id, about, hours] } }, limit: 3 }
    - { kind: table, title: Prices, source: { registry: { name: prices } } }
    - { kind: timeline, title: Reports, source: { runs: { flow: report } } }
    - { kind: table, title: Asked, source: approvals }
    - { kind: agents, title: Here, width: narrow }
    - { kind: timeline, title: Soon, source: { triggers: { hours: 6 } }, width: narrow }
    - { kind: chart, title: By day, source: { usage: { by: day, days: 7 } }, width: narrow }
    - { kind: chat, title: Moth, source: { thread: { with: moth } }, width: narrow, limit: 5 }
`;

const clients = {
  name: "clients",
  key: "id",
  fields: [
    { name: "id", type: "string" },
    { name: "about", type: "string" },
    { name: "state", type: "string", enum: ["open", "gone"] },
    { name: "hours", type: "number" },
  ],
};
const report = {
  id: "report",
  steps: [
    { id: "count", do: { dispatch: { hand: "bo/count", input: "one two" } } },
    { id: "leave", needs: ["count"], do: { approve: { text: "Send the report?" } } },
  ],
};
const write = (nexus: Nexus, values: object) => nexus.api("POST", "registries/clients/rows", { values });

const folder = mkdtempSync(join(tmpdir(), "nexus-layout-"));
const lay = (text: string) => writeFileSync(join(folder, "workspace.yaml"), text);
test.use({ options: { settings: { workspace: folder } } });
test.beforeEach(() => lay(LAYOUT));
test.afterAll(() => rmSync(folder, { recursive: true }));

test("each part shows what the broker knows and stays current, and nothing anybody wrote is markup", async ({
  nexus,
  ana,
}) => {
  await nexus.online("ada", "bo");
  await nexus.api("PUT", "registries/clients", {
    registry: clients,
    entries: [{ id: "acme", state: "open", about: NASTY }],
  });
  await nexus.api("PUT", "flows/report", report);
  const work = { dispatch: { hand: "bo/count", input: "one two" } };
  await nexus.api("POST", "triggers", { name: "hourly", when: { every: { seconds: 3600 } }, do: work });
  await expect(part(ana, "House rules")).toContainText("Say yes once you have read it.");
  await expect(part(ana, "House rules").getByRole("link")).toHaveText(["another"]);
  await expect(part(ana, "Clients")).toContainText(NASTY);
  await expect(part(ana, "Open clients")).toContainText("1");
  await expect(part(ana, "Prices")).toContainText("There is no registry prices.");
  await expect(part(ana, "Reports")).toContainText("No report has been run yet.");
  await expect(part(ana, "By day")).toContainText("Nothing was spent in this time that has a price.");
  await expect(part(ana, "Moth")).toContainText("There is no thread with moth yet.");
  await expect(part(ana, "Waits for you")).toContainText("0");
  await expect(part(ana, "Soon").getByRole("listitem")).toContainText(/hourly.*times, first in/s);

  await write(nexus, { id: "blue", state: "open", hours: 12.5 });
  await write(nexus, { id: "cyan", state: "gone" });
  await write(nexus, { id: "dusk", state: "gone" });
  await expect(part(ana, "Open clients")).toContainText("2");
  await expect(part(ana, "Clients").locator("tbody tr")).toHaveCount(3);
  await expect(part(ana, "Clients").getByRole("link", { name: "More rows" })).toBeVisible();
  nexus.ctl("flow", "run", "report");
  await expect(part(ana, "Reports")).toContainText(/running\s*report/);
  await expect(part(ana, "Asked")).toContainText("Send the report?");
  await expect(part(ana, "Waits for you")).toContainText("1");
  const moth = await Aspect.join(nexus, "moth");
  await expect(part(ana, "Here")).toContainText("moth");
  await moth.reply(`The books are **done**. ${NASTY}`, {
    provider: "p",
    model: "m",
    usage: { input_tokens: 10, output_tokens: 5 },
    cost_microusd: 120_000,
  });
  await expect(part(ana, "Moth").getByRole("log")).toContainText("The books are done.");
  await expect(part(ana, "Spent")).toContainText("$0.12");
  await expect(part(ana, "By day").getByRole("img")).toHaveAccessibleName(/Cost by day: .*\$0\.12$/);
  await part(ana, "Moth").getByRole("textbox", { name: "Message" }).fill("Thank you, moth");
  await part(ana, "Moth").getByRole("textbox", { name: "Message" }).press("Enter");
  await expect(part(ana, "Moth").getByRole("article")).toHaveCount(2);
  await expect(part(ana, "Moth").getByRole("article").last()).toContainText("Thank you, moth");

  await expect(ana).toHaveTitle("Home · Nexus");
  await expect(ana.getByRole("main").locator("img, script, [onerror]")).toHaveCount(0);
  await expect(part(ana, "Clients").locator("b")).toHaveCount(0);
  await everyLook(ana, "home-own");
  await part(ana, "Clients").getByRole("link", { name: "acme" }).click();
  await expect(ana.getByRole("complementary", { name: "Row acme" })).toBeVisible();
});

test("a change of the file is seen at once, and one that is broken changes nothing", async ({ ana }) => {
  await expect(part(ana, "Here")).toBeVisible();
  lay("home:\n  widgets:\n    - { kind: stat, title: Only this, source: aspects }\n");
  await expect(part(ana, "Only this")).toBeVisible();
  await expect(part(ana, "Here")).toHaveCount(0);
  lay("home:\n  widgets:\n    - { kind: gauge }\n");
  await expect(ana.getByRole("status").filter({ hasText: "workspace.yaml" })).toContainText(
    "workspace.yaml:3:15: unknown variant `gauge`",
  );
  await expect(part(ana, "Only this")).toBeVisible();
  await picture(ana, "home-fault");
  lay("# Nothing yet.\n");
  await expect(part(ana, "Planned")).toBeVisible();
  await expect(ana.getByText("unknown variant")).toHaveCount(0);
});

test("a viewer sees it, may write nowhere, and a phone is wide enough", async ({ nexus, page, ana }) => {
  await nexus.online("ada", "bo");
  await nexus.api("POST", "operators", { name: "vera", role: "viewer", token_sha256: "1".repeat(64) });
  await nexus.api("PUT", "operators/vera/password", { password: PASSWORD });
  await nexus.api("PUT", "registries/clients", {
    registry: clients,
    entries: [{ id: "acme", about: "x".repeat(400) }],
  });
  const moth = await Aspect.join(nexus, "moth");
  await moth.reply("Good morning.", {
    provider: "p",
    model: "m",
    usage: { input_tokens: 1, output_tokens: 1 },
  });
  await ana.context().clearCookies();
  await page.setViewportSize({ width: 390, height: 844 });
  await logIn(page, nexus, "vera");
  await expect(part(page, "Moth").getByRole("log")).toContainText("Good morning.");
  await expect(part(page, "Clients")).toContainText("acme");
  await expect(page.getByRole("main").getByRole("button")).toHaveCount(0);
  await expect(page.getByRole("main").getByRole("textbox")).toHaveCount(0);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(wide, "nothing stands out over the side").toBe(false);
  await picture(page, "home-own-viewer");
});
