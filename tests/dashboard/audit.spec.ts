/** Audit: the log as it grows, filtered, with refusals in words and what is missing said. */
import { type Page, everyLook, expect, goTo, picture, test, watch } from "./lib/test";

const rows = (page: Page) => page.locator("tr[data-seq]");
const BAD = { Authorization: "Bearer nxo_a-guess" };

test("filters hold, in the address too, and lead to what entries are about", async ({ nexus, ana }) => {
  await nexus.api("POST", "operators", { name: "bea", role: "viewer", token_sha256: "2".repeat(64) });
  await nexus.api("POST", "knowledge", { topic: "a topic", content: "and what it says", shared: true });
  await goTo(ana, "Audit");
  await expect(rows(ana).filter({ hasText: "operator/admin let in bea" })).toHaveCount(1);
  await ana.getByLabel("Kind").fill("operator");
  await expect(rows(ana).filter({ hasText: "stored the entry" })).toHaveCount(0);
  const page = await nexus.api<{ entries: { seq: number }[] }>("GET", "audit?kind=operator");
  const seqs = await rows(ana).evaluateAll((all) =>
    all.map((row) => Number((row as HTMLElement).dataset.seq)),
  );
  expect(seqs).toEqual(page.entries.map((it) => it.seq));
  await ana.reload();
  await expect(rows(ana)).toHaveCount(seqs.length);
  await ana.getByRole("button", { name: "Take filters away" }).click();
  await ana.getByLabel("About").fill("bea");
  await expect(rows(ana)).toHaveCount(1);
  await rows(ana).getByRole("link", { name: "bea" }).click();
  await expect(ana).toHaveURL(/\/settings\/people$/);
  await ana.goBack();
  await ana.getByLabel("About").fill("");
  await ana.getByRole("button", { name: "knowledge.stored" }).click();
  await rows(ana).getByRole("link", { name: "look" }).click();
  await expect(ana.getByRole("article", { name: "a topic" })).toContainText("and what it says");
  await ana.goto(`${nexus.url}/audit?by=operator/nobody`);
  await expect(ana.getByText("Nothing in the log is like that.")).toBeVisible();
  await ana.getByRole("button", { name: "Take the filters away" }).click();
  await expect(rows(ana).first()).toBeVisible();
});

test("refusals are readable, and what happens is shown as it happens", async ({ nexus, ana }) => {
  await goTo(ana, "Audit");
  await ana.getByRole("button", { name: "Refusals" }).click();
  await expect(ana.getByText("Nothing in the log is like that.")).toBeVisible();
  expect((await fetch(`${nexus.url}/api/v1/threads`, { headers: BAD })).status).toBe(401);
  await expect(rows(ana)).toHaveText([/A credential that is no good was refused: from 127\.0\.0\.1/]);
  await everyLook(ana, "audit-refused");
  await ana.getByRole("button", { name: "Refusals" }).click();

  await ana.getByRole("button", { name: "Live" }).click();
  const before = await rows(ana).count();
  await nexus.api("POST", "knowledge", { topic: "later", content: "x", shared: true });
  await ana.getByRole("button", { name: "Show what is new" }).click();
  await expect(rows(ana)).toHaveCount(before + 1);
  await ana.getByRole("button", { name: "Stopped" }).click();
  await nexus.api("POST", "knowledge", { topic: "later still", content: "x", shared: true });
  await expect(rows(ana)).toHaveCount(before + 2);
});

test("pages go back to the beginning, and a gap on top is said and filled", async ({ nexus, ana, page }) => {
  watch(page, nexus);
  const say = (n: number) => nexus.api("POST", "messages", { to: ["operator/ana"], content: `word ${n}` });
  for (let n = 0; n < 130; n += 1) await say(n);
  await goTo(ana, "Audit");
  await expect(rows(ana)).toHaveCount(100);
  await ana.getByRole("button", { name: "Older entries" }).click();
  await expect(ana.getByText("This is the beginning of the log.")).toBeVisible();
  const all = await rows(ana).count();
  await ana.getByRole("button", { name: "Live" }).click();
  for (let n = 0; n < 130; n += 1) await say(n);
  await ana.getByRole("button", { name: "Show what is new" }).click();
  await expect(ana.getByText(/came too fast to be shown/)).toBeVisible();
  await picture(ana, "audit-gap");
  await ana.getByRole("button", { name: "Show them" }).click();
  await expect(ana.getByText(/came too fast to be shown/)).toHaveCount(0);
  await expect(rows(ana)).toHaveCount(all + 130);
});

test("by keys, and through a restart of the broker without a reload", async ({ nexus, ana }) => {
  await ana.keyboard.press("g");
  await ana.keyboard.press("l");
  await expect(rows(ana).first()).toBeVisible();
  await ana.keyboard.press("/");
  await ana.keyboard.type("system");
  await expect(ana).toHaveURL(/by=system/);
  await ana.evaluate(() => ((window as unknown as { same: boolean }).same = true));
  await nexus.kill();
  await expect(ana.getByText("The broker does not answer")).toBeVisible();
  await picture(ana, "audit-broken");
  await nexus.serve();
  await expect(rows(ana).filter({ hasText: "broker.started" })).toHaveCount(2);
  expect(await ana.evaluate(() => (window as unknown as { same?: boolean }).same)).toBe(true);
});
