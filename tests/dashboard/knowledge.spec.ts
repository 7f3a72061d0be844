/** Knowledge: found, read, compared, written and deleted; who may share and read it. */
import { Aspect } from "./lib/aspect";
import { type Page, PASSWORD, everyLook, expect, goTo, logIn, picture, test } from "./lib/test";
import type { Nexus } from "./lib/nexus";

const POLICY = (times: string) =>
  `# Retries\n\nA dispatch is tried ${times} times.\n\n- the lease lasts 30 s\n`;

async function filled(nexus: Nexus): Promise<Aspect> {
  const moth = await Aspect.join(nexus, "moth");
  for (const times of ["two", "three"]) await moth.store("dispatch/retries", POLICY(times));
  await moth.store("broker/fsync", "What is acknowledged is on disk: a message and a dispatch alike.");
  await moth.store("notes", "My own notes about a dispatch that went wrong.", false);
  return moth;
}

const rows = (page: Page) => page.getByRole("list", { name: /^Entries/ }).getByRole("listitem");

test("a search marks what matches, the best first, and its filters hold", async ({ nexus, ana }) => {
  await filled(nexus);
  await goTo(ana, "Knowledge");
  await expect(rows(ana).getByRole("link")).toHaveText(["broker/fsync", "dispatch/retries", "notes"]);
  await ana.keyboard.press("/");
  await ana.keyboard.type("dispatch");
  // The topic counts more than the text.
  await expect(rows(ana).getByRole("link").first()).toHaveText("dispatch/retries");
  await expect(rows(ana)).toHaveCount(3);
  await expect(rows(ana).first().locator("mark")).toHaveText(["dispatch"], { ignoreCase: true });
  const { hits } = await nexus.api<{ hits: { topic: string; score: number }[] }>(
    "GET",
    "knowledge/search?query=dispatch",
  );
  await expect(rows(ana).getByRole("link")).toHaveText(hits.map((hit) => hit.topic));
  await expect(rows(ana).locator(".score .number")).toHaveText(hits.map((hit) => hit.score.toFixed(2)));
  await ana.getByLabel("Shared only").check();
  await expect(rows(ana)).toHaveCount(2);
  await ana.getByLabel("Whose entries").selectOption("ada");
  await expect(ana.getByText("No entry matches.")).toBeVisible();
  await ana.getByLabel("Whose entries").selectOption("moth");
  // Filters and search are in the address, so a reload keeps them.
  await ana.reload();
  await expect(rows(ana)).toHaveCount(2);
  await ana.getByRole("searchbox", { name: "Search knowledge" }).fill("nothingatall");
  await expect(ana.getByText("No entry matches.")).toBeVisible();
});

test("an entry is written, edited, compared and deleted; its history stays", async ({ nexus, ana }) => {
  await goTo(ana, "Knowledge");
  await expect(ana.getByText("Nobody has stored anything yet.")).toBeVisible();
  await ana.keyboard.press("n");
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Topic").fill("how we ship");
  await dialog
    .getByLabel("Text", { exact: true })
    .fill(
      "# Shipping\n\nWe ship on **Friday**.\n\n<script>alert(1)</script>\n\n&hearts; [no](javascript&colon;alert)",
    );
  await dialog.getByRole("button", { name: "Look" }).click();
  await expect(dialog.locator(".markdown strong")).toHaveText("Friday");
  await expect(dialog.locator(".markdown")).toContainText("<script>alert(1)</script>");
  // Names of characters are the browser's to know, and a link that was hidden by one is none.
  await expect(dialog.locator(".markdown p").last()).toHaveText("♥ no");
  await expect(dialog.locator(".markdown a")).toHaveCount(0);
  await dialog.getByRole("button", { name: "Store" }).click();
  const entry = ana.getByRole("article", { name: "how we ship" });
  await expect(entry.getByRole("heading", { name: "Shipping" })).toBeVisible();
  expect(await entry.locator("script").count()).toBe(0);

  await entry.getByRole("button", { name: "Edit" }).click();
  await dialog.getByLabel("Text", { exact: true }).fill("# Shipping\n\nWe ship on **Monday**.\n");
  await dialog.getByRole("button", { name: "Store" }).click();
  await expect(entry.locator(".markdown strong")).toHaveText("Monday");
  await entry.getByRole("button", { name: "History" }).click();
  const changes = ana.getByRole("figure", { name: "Changes from version 1 to 2" });
  await expect(changes.locator(".compared-removed").first()).toContainText("We ship on **Friday**.");
  await expect(changes.locator(".compared-removed em").first()).toHaveText("Friday");
  await expect(changes.locator(".compared-added em").first()).toHaveText("Monday");
  await expect(changes.getByText("+1 −5 lines")).toBeVisible();
  await picture(ana, "knowledge-history");

  await ana.getByRole("button", { name: "Read version 1" }).click();
  await expect(entry.getByRole("status")).toContainText("This is version 1; the current one is 2.");
  await expect(entry.locator(".markdown strong")).toHaveText("Friday");
  await entry.getByRole("button", { name: "Show the current one" }).click();

  await entry.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await expect(entry.getByText("This entry is deleted.")).toBeVisible();
  await expect(rows(ana)).toHaveCount(0);
  await entry.getByRole("button", { name: "History" }).click();
  await expect(entry.getByRole("table", { name: "Versions" }).locator("tbody tr")).toHaveCount(3);
  const { entries } = await nexus.api<{ entries: { version: number }[] }>(
    "GET",
    "knowledge/history?topic=how+we+ship&of=operator/ana",
  );
  expect(entries.map((it) => it.version)).toEqual([3, 2, 1]);
});

test("what an aspect stores meanwhile is shown at once, and counted when it is found", async ({
  nexus,
  ana,
}) => {
  const moth = await filled(nexus);
  await goTo(ana, "Knowledge");
  await ana.getByRole("link", { name: "dispatch/retries" }).click();
  const entry = ana.getByRole("article");
  await expect(entry).toContainText("tried three times");
  await moth.store("dispatch/retries", POLICY("four"));
  await expect(entry).toContainText("tried four times");
  await moth.ask("knowledge.search", { query: "retries", recall: true });
  await moth.store("another", "thing");
  await expect(rows(ana)).toHaveCount(4);
  await expect(entry).toContainText("found 1×, recalled 1×");
  await expect(entry.getByRole("button", { name: "Edit" })).toHaveCount(0);
});

test("grants are given and taken back; a viewer sees them and no button", async ({ nexus, ana, browser }) => {
  const moth = await filled(nexus);
  await goTo(ana, "Knowledge");
  await ana.getByRole("button", { name: "Grants" }).click();
  await ana.getByRole("button", { name: "Grant something" }).click();
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Who", { exact: true }).selectOption("ada");
  await dialog.getByLabel("Whose entries").selectOption("moth");
  await dialog.getByRole("button", { name: "Grant", exact: true }).click();
  const row = ana.getByRole("row", { name: /ada read everything of moth/ });
  await expect(row).toContainText("operator/ana");
  const grants = async () =>
    (await nexus.api<{ grants: unknown[] }>("GET", "knowledge/grants?to=ada")).grants;
  expect(await grants()).toContainEqual(expect.objectContaining({ to: "ada", may: "read", of: "moth" }));

  await nexus.api("POST", "operators", { name: "vera", role: "viewer", token_sha256: "1".repeat(64) });
  await nexus.api("PUT", "operators/vera/password", { password: PASSWORD });
  const vera = await (await browser.newContext()).newPage();
  await logIn(vera, nexus, "vera");
  await goTo(vera, "Knowledge");
  await expect(rows(vera)).toHaveCount(3);
  await expect(vera.getByRole("button", { name: "Write an entry" })).toHaveCount(0);
  await vera.getByRole("button", { name: "Grants" }).click();
  await expect(vera.getByRole("row", { name: /ada read everything of moth/ })).toBeVisible();
  await expect(vera.getByRole("button", { name: /Take back|Grant something/ })).toHaveCount(0);

  await ana.getByRole("button", { name: "Take back: ada may read everything of moth" }).click();
  await dialog.getByRole("button", { name: "Take back" }).click();
  await expect(row).toHaveCount(0);
  await expect(vera.getByRole("row", { name: /ada read everything of moth/ })).toHaveCount(0);
  moth.leave();
});

test("by keys alone, on a phone, and through a restart of the broker", async ({ nexus, ana }) => {
  await filled(nexus);
  await ana.keyboard.press("g");
  await ana.keyboard.press("k");
  await expect(rows(ana)).toHaveCount(3);
  await ana.keyboard.press("/");
  await ana.keyboard.type("fsync");
  await expect(rows(ana)).toHaveCount(1);
  await ana.keyboard.press("Tab");
  await ana.keyboard.press("Tab");
  await ana.keyboard.press("Tab");
  await expect(rows(ana).getByRole("link")).toBeFocused();
  await ana.keyboard.press("Enter");
  await expect(ana.getByRole("article", { name: "broker/fsync" })).toBeVisible();
  await everyLook(ana, "knowledge-entry");
  await ana.keyboard.press("Escape");
  await expect(ana.getByRole("article")).toHaveCount(0);

  await ana.setViewportSize({ width: 390, height: 844 });
  await rows(ana).getByRole("link").click();
  await expect(rows(ana)).toBeHidden();
  await ana.getByRole("link", { name: "All entries" }).click();
  await expect(rows(ana)).toBeVisible();
  const wide = await ana.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(wide, "nothing stands out over the side").toBe(false);

  await nexus.kill();
  await expect(ana.getByText("The broker does not answer")).toBeVisible();
  await expect(rows(ana)).toHaveCount(1);
  await picture(ana, "knowledge-broken");
  await nexus.serve();
  await expect(ana.getByText("The broker does not answer")).toBeHidden();
  await ana.getByRole("searchbox").fill("");
  await expect(rows(ana)).toHaveCount(3);
});
