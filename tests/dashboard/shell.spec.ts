/** What is true of every page: keys, a broker that goes and comes, sizes, and nothing from elsewhere. */
import { brotliDecompressSync } from "node:zlib";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { repository } from "./lib/nexus";
import { accessible, everyLook, expect, goTo, picture, test } from "./lib/test";

const SCRIPT_BYTES_MAX = 200 * 1024;

test("the broker goes and comes back, and nothing is reloaded or lost", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Chat");
  await ana.evaluate(() => ((window as unknown as { loaded: string }).loaded = "once"));
  await ana.getByRole("button", { name: "New thread" }).click();
  const write = ana.getByRole("textbox", { name: "Message", exact: true });
  const messages = ana.getByRole("log", { name: "Messages" });
  await write.fill("@ada first");
  await write.press("Enter");
  await expect(messages).toContainText("ada heard: @ada first");
  await nexus.kill();
  await expect(ana.getByRole("alert")).toContainText("The broker does not answer");
  await everyLook(ana, "chat-broken");
  await write.fill("@ada second");
  await write.press("Enter");
  await expect(messages).toContainText("waits for the broker");
  await nexus.serve();
  await expect(messages).toContainText("ada heard: @ada second");
  await expect(ana.getByRole("alert")).toBeHidden();
  const said = messages.getByRole("article", { name: "ana says" }).filter({ hasText: "@ada second" });
  await expect(said, "it was sent once").toHaveCount(1);
  expect(await ana.evaluate(() => (window as unknown as { loaded: string }).loaded)).toBe("once");
});

test("everything can be done without a pointer", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await ana.keyboard.press("?");
  const help = ana.getByRole("dialog", { name: "Keys" });
  await expect(help).toContainText("Go to Chat");
  await picture(ana, "keys");
  await accessible(ana);
  await ana.keyboard.press("Escape");
  await expect(help).toBeHidden();
  await ana.keyboard.press("g");
  await ana.keyboard.press("c");
  await expect(ana.getByRole("heading", { name: "Chat", level: 1 })).toBeVisible();
  await ana.keyboard.press("n");
  await expect(ana.getByRole("textbox", { name: "Message", exact: true })).toBeFocused();
  await ana.keyboard.type("@ad");
  await ana.keyboard.press("Tab");
  await ana.keyboard.type("by keys");
  await ana.keyboard.press("Enter");
  await expect(ana.getByRole("log", { name: "Messages" })).toContainText("ada heard: @ada by keys");
  await ana.keyboard.press("Escape");
  await ana.keyboard.press("g");
  await ana.keyboard.press("t");
  await expect(ana.getByRole("heading", { name: "Team", level: 1 })).toBeVisible();
  await expect(ana.getByRole("row", { name: /^bo/ })).toBeVisible();
  await ana.keyboard.press("j");
  await ana.keyboard.press("ArrowDown");
  await ana.keyboard.press("Enter");
  await expect(ana.getByRole("complementary", { name: "bo" })).toContainText("bo/count");
  await ana.keyboard.press("Escape");
  await expect(ana.getByRole("complementary", { name: "bo" })).toBeHidden();
});

test("on a phone every page is reached", async ({ ana }) => {
  await ana.setViewportSize({ width: 390, height: 844 });
  const pages = ana.getByRole("navigation", { name: "Pages" });
  for (const title of ["Chat", "Work", "Approvals", "Home"]) {
    await pages.getByRole("link", { name: title }).click();
    await expect(ana.getByRole("heading", { name: title, level: 1 })).toBeVisible();
  }
  for (const title of [
    "Team",
    "Sessions",
    "Knowledge",
    "Flows",
    "Triggers",
    "Registries",
    "Workspace",
    "Alerts",
    "Usage",
    "Audit",
    "Settings",
  ]) {
    await pages.getByRole("button", { name: "More", exact: true }).click();
    await ana.getByRole("dialog", { name: "Pages" }).getByRole("link", { name: title }).click();
    await expect(ana.getByRole("heading", { name: title, level: 1 })).toBeVisible();
    const wide = await ana.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(wide, `${title} is no wider than the phone`).toBeLessThanOrEqual(0);
  }
});

test("the colours stay as they were chosen", async ({ ana }) => {
  const scheme = () => ana.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await ana.emulateMedia({ colorScheme: "light" });
  const light = await scheme();
  await ana.getByRole("button", { name: /^Colours: system/ }).click();
  await ana.getByRole("button", { name: /^Colours: light/ }).click();
  expect(await scheme()).not.toBe(light);
  await ana.reload();
  await expect(ana.getByRole("button", { name: /^Colours: dark/ })).toBeVisible();
  expect(await scheme()).not.toBe(light);
});

test("all scripts together are small, and the first paint is soon", async ({ ana, nexus }, {
  annotations,
}) => {
  const folder = join(repository, "broker/dashboard/dist/assets");
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const sizes = scripts.map((name) => gzipSync(readFileSync(join(folder, name))).length);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".br"))) {
    const plain = readFileSync(join(folder, name.slice(0, -3)));
    expect(brotliDecompressSync(readFileSync(join(folder, name))).equals(plain), name).toBe(true);
  }
  await ana.goto(`${nexus.url}/home`);
  const paint = await ana.evaluate(async () => {
    const painted = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
    while (painted() === undefined) await new Promise(requestAnimationFrame);
    return painted();
  });
  // The bound of the paint is for quiet machines; here it is told.
  annotations.push({
    type: "measured",
    description: `${bytes} bytes of script by gzip, paint after ${paint} ms`,
  });
  console.log(`    ${bytes} bytes of script by gzip, first paint after ${Math.round(paint ?? 0)} ms`);
  expect(bytes).toBeLessThan(SCRIPT_BYTES_MAX);
});

test("no page has an address that it does not know", async ({ ana, nexus }) => {
  await ana.goto(`${nexus.url}/nowhere`);
  await expect(ana.getByText("There is no such page.")).toBeVisible();
  await ana.getByRole("link", { name: "Go home" }).click();
  await expect(ana.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
});
