/** Approvals: read whole, answered once, and who comes second is told who was first. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Aspect } from "./lib/aspect";
import { type Nexus, repository } from "./lib/nexus";
import { type Page, accessible, everyLook, expect, goTo, picture, test } from "./lib/test";

test.use({ options: { team: join(repository, "tests/dashboard/builders") } });
test.beforeEach(({ nexus }) => nexus.online("clerk"));

const say = (nexus: Nexus, content: string) => nexus.api("POST", "messages", { to: ["clerk"], content });
const letter = (nexus: Nexus) => readFileSync(join(nexus.agents, "clerk/work/letter.txt"), "utf8");
const asked = (page: Page) => page.getByRole("article");

async function states(nexus: Nexus): Promise<string[]> {
  const page = await nexus.api<{ approvals: { state: string }[] }>("GET", "approvals?all=true");
  return page.approvals.map((it) => it.state);
}

test("an edit is read as a diff and whole, and approved by keyboard", async ({ nexus, ana }) => {
  await goTo(ana, "Approvals");
  await expect(ana.getByText("Nothing waits for you.")).toBeVisible();
  await everyLook(ana, "approvals-empty");
  await say(nexus, "change the letter");
  await expect(ana.getByRole("link", { name: /^Approvals/ })).toContainText("1");
  await expect(ana.locator(".approval")).toHaveCount(1);
  await ana.keyboard.press("j");
  await expect(asked(ana).getByRole("heading", { level: 2 })).toHaveText("edit_file work/letter.txt");
  await expect(asked(ana).locator(".diff-removed")).toHaveText(/^-\s*Dear Sir\s*$/);
  await expect(asked(ana).locator(".diff-added")).toHaveText(/^\+\s*Dear Madam\s*$/);
  const whole = asked(ana).getByRole("group", { name: "The arguments, whole" });
  await expect(whole).toContainText('"path": "work/letter.txt"');
  await everyLook(ana, "approvals-edit");
  expect(letter(nexus)).toContain("Dear Sir");

  await ana.keyboard.press("a");
  const dialog = ana.getByRole("dialog", { name: "Let it do this once?" });
  await expect(dialog.getByLabel("A word for the model")).toBeFocused();
  await accessible(ana);
  await ana.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await ana.keyboard.press("a");
  await ana.keyboard.type("go on");
  await ana.keyboard.press("Enter");
  await expect(asked(ana).getByText(/^It was approved by you/)).toContainText("go on");
  await expect.poll(() => letter(nexus)).toContain("Dear Madam");
  await expect(ana.getByText("Nothing waits for you.")).toBeVisible();
});

test("another tool is denied with a word, and does not run", async ({ nexus, ana }) => {
  await say(nexus, "keep the key");
  await goTo(ana, "Approvals");
  await expect(ana.locator(".approval")).toHaveCount(1);
  await ana.keyboard.press("d");
  await ana.keyboard.type("not on a Friday");
  await ana.getByRole("dialog").getByRole("button", { name: "Deny" }).click();
  await expect(ana.getByText(/^It was denied by you/)).toContainText("not on a Friday");
  expect(await states(nexus)).toEqual(["denied"]);
  expect((await nexus.api<{ entries: unknown[] }>("GET", "knowledge")).entries).toEqual([]);
  await goTo(ana, "Approvals");
  await ana.getByRole("link", { name: "All", exact: true }).click();
  await expect(ana.locator(".approval")).toContainText("denied");
  await expect(ana.locator(".approval")).toContainText("by operator/ana");
  await everyLook(ana, "approvals-all");
});

test("a question has its choices, and takes an answer in words", async ({ nexus, ana }) => {
  await say(nexus, "which colour");
  await goTo(ana, "Approvals");
  await ana.getByRole("button", { name: /Which colour/ }).click();
  await expect(asked(ana).getByRole("button", { name: "red" })).toBeVisible();
  await everyLook(ana, "approvals-question");
  await asked(ana).getByRole("button", { name: "Answer", exact: true }).click();
  await expect(asked(ana).getByRole("alert")).toContainText("an answer needs a word");
  await asked(ana).getByLabel("Or in your own words").fill("a deep green");
  await ana.keyboard.press("Enter");
  await expect(asked(ana).getByText(/^It was answered by you/)).toContainText("a deep green");

  await say(nexus, "which colour");
  await goTo(ana, "Approvals");
  await ana.getByRole("button", { name: /Which colour/ }).click();
  await asked(ana).getByRole("button", { name: "blue" }).click();
  await expect(asked(ana).getByText(/^It was answered by you/)).toContainText("blue");
});

test("who answers second is told who was first", async ({ nexus, ana, context }) => {
  await say(nexus, "keep the lamp");
  const second = await context.newPage();
  // The second tab does not hear what others do, as one behind a slow line would not yet.
  await second.routeWebSocket(/\/connect$/, (page) => {
    const broker = page.connectToServer();
    broker.onMessage((frame) => {
      if ((JSON.parse(frame.toString()) as { kind: string }).kind !== "log") page.send(frame);
    });
  });
  for (const tab of [ana, second]) {
    await tab.goto(`${nexus.url}/approvals`);
    await tab.getByRole("button", { name: /store_knowledge/ }).click();
  }
  await second.getByRole("button", { name: /^Deny/ }).click();
  await ana.getByRole("button", { name: /^Approve/ }).click();
  await ana.getByLabel("A word for the model").fill("fine");
  await ana.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
  await expect(ana.getByText(/^It was approved by you/)).toBeVisible();
  await second.getByRole("dialog").getByRole("button", { name: "Deny" }).click();
  await expect(second.getByText("You, elsewhere, approved it first: fine")).toBeVisible();
  await expect(second.getByText(/^It was approved by you/)).toBeVisible();
  await picture(second, "approvals-second");
  expect(await states(nexus)).toEqual(["approved"]);
});

test("it can be answered on a phone, and what is asked survives the broker", async ({ nexus, ana }) => {
  await ana.setViewportSize({ width: 390, height: 844 });
  await say(nexus, "keep the boat");
  await ana.goto(`${nexus.url}/approvals`);
  await ana.getByRole("button", { name: /store_knowledge/ }).click();
  expect(await ana.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  await nexus.kill();
  await expect(ana.locator(".banner")).toBeVisible();
  await everyLook(ana, "approvals-broken");
  await ana.setViewportSize({ width: 390, height: 844 });
  await nexus.serve();
  await ana.getByRole("button", { name: /^Approve/ }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
  await expect(ana.getByText(/^It was approved by you/)).toBeVisible();
});

test("a trigger that is proposed is shown in words, and what approving it means", async ({ nexus, ana }) => {
  const moth = await Aspect.join(nexus, "moth");
  const trigger = {
    name: "feed",
    when: { at: Date.UTC(2039, 0, 1, 12) },
    do: { dispatch: { hand: "moth/self", input: {} } },
    budget: { tokens: 5_000, cost_microusd: 50_000 },
    expires_at: Date.UTC(2039, 5, 1, 12),
  };
  const asked = { type: "tool", tool: "create_trigger", summary: "feed: why", arguments: "" };
  await moth.ask("approval.ask", { asked, trigger });
  await goTo(ana, "Approvals");
  await ana.locator(".approval").click();
  const facts = ana.locator(".asked .facts");
  await expect(facts).toContainText(/When2039-01-01 \d\d:00:00/);
  await expect(facts).toContainText("Sets to workmoth/self");
  await expect(facts).toContainText(/May spend each time5\s000 tokens, \$0\.05/);
  await expect(facts).toContainText(/Ends2039-06-01 \d\d:00:00/);
  await everyLook(ana, "approvals-trigger");
  await ana.getByRole("button", { name: "Approve…" }).click();
  const sure = ana.getByRole("dialog", { name: "Make the trigger feed yours?" });
  await expect(sure).toContainText("as you, until you pause or delete it");
  await sure.getByRole("button", { name: "Approve" }).click();
  await expect(ana.locator(".approval")).toHaveCount(0);
  const { owner } = await nexus.api<{ owner: string }>("GET", "triggers/feed");
  expect(owner).toBe("operator/ana");
});
