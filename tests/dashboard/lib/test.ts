/** What every spec begins with: a broker with its team, a page that somebody is logged in on, pictures and axe. */
import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";
import { join } from "node:path";
import { Nexus, type Options, repository } from "./nexus";

export { expect };
export type { Page };

export const PASSWORD = "correct horse battery";

interface Fixtures {
  options: Options;
  nexus: Nexus;
  /** Logged in as the admin `ana`, on the home page. */
  ana: Page;
}

export const test = base.extend<Fixtures>({
  options: [{}, { option: true }],
  nexus: async ({ options }, use) => {
    const nexus = await Nexus.start(options);
    await use(nexus);
    await nexus.stop();
  },
  ana: async ({ nexus, page }, use) => {
    watch(page, nexus);
    await nexus.api("POST", "operators", { name: "ana", role: "admin", token_sha256: "0".repeat(64) });
    await nexus.api("PUT", "operators/ana/password", { password: PASSWORD });
    await logIn(page, nexus);
    await use(page);
  },
});

export async function logIn(page: Page, nexus: Nexus, name = "ana", password = PASSWORD): Promise<void> {
  await page.goto(`${nexus.url}/`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeVisible();
}

/** No page asks another host, breaks its policy or throws. */
export function watch(page: Page, nexus: Nexus): void {
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["blob:", "data:"].includes(url.protocol)) {
      expect(url.host, `a request to another host: ${request.url()}`).toBe(new URL(nexus.url).host);
    }
  });
  page.on("pageerror", (error) => {
    throw error;
  });
  page.on("console", (message) => {
    const refused = message.text().includes("Content Security Policy");
    expect(refused ? message.text() : "", "the page breaks its own policy").toBe("");
  });
}

/** A picture for people to look at, in `target/dashboard`. */
export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(repository, "target/dashboard", `${name}.png`) });
}

const SIZES = { phone: [390, 844], laptop: [1280, 800], wide: [1920, 1080] } as const;

/** Pictures in all sizes, light and dark, each without a violation that axe finds. */
export async function everyLook(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      await page.setViewportSize({ width, height });
      await picture(page, `${name}-${size}-${scheme}`);
      if (size !== "wide") await accessible(page);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  if (before) await page.setViewportSize(before);
}

export async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const said = violations.map(
    (it) => `${it.id}: ${it.help}\n${it.nodes.map((node) => `  ${node.html}`).join("\n")}`,
  );
  expect(said).toEqual([]);
}

/** Goes to a page by its entry, as people do. */
export async function goTo(page: Page, title: string): Promise<void> {
  // Whole words: how many wait may stand behind it, and Work is not Workspace.
  const name = new RegExp(`^${title}\\b`);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
  await expect(page.getByRole("heading", { name, level: 1 })).toBeVisible();
}
