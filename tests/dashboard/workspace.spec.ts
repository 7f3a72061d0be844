/** Workspace: where each file comes from and what is wrong, as the files are and as they become; a viewer; a phone. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Nexus } from "./lib/nexus";
import { type Page, PASSWORD, everyLook, expect, goTo, logIn, picture, test } from "./lib/test";

const folder = mkdtempSync(join(tmpdir(), "nexus-workspace-"));
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const rows = (page: Page) => page.getByRole("table", { name: "Files" }).locator("tbody tr");
const row = (page: Page, path: string) => rows(page).filter({ hasText: path });
const paths = async (nexus: Nexus) =>
  (await nexus.api<{ files: { path: string }[] }>("GET", "workspace?limit=200")).files.map(
    ({ path }) => path,
  );

test("a broker without one says how to have one", async ({ ana }) => {
  await goTo(ana, "Workspace");
  await expect(ana.getByText("This broker keeps no workspace.")).toBeVisible();
  await everyLook(ana, "workspace-none");
});

test.describe("with one", () => {
  test.use({ options: { settings: { workspace: folder } } });
  test.beforeAll(() => {
    put("skills/tidy.md", "# Tidy\n\nPut things where they belong.\n");
    put("aspects/nobody.remove", "");
    put("flows/odd.yaml", "id: odd\nsteps:\n  - id: a\n    needs: [b]\n    do: { wait: { seconds: 1 } }\n");
  });
  test.afterAll(() => rmSync(folder, { recursive: true }));

  test("each file says where it comes from and what is wrong, and a change is seen", async ({
    nexus,
    ana,
  }) => {
    await ana.keyboard.press("g");
    await ana.keyboard.press("p");
    await expect(row(ana, "skills/tidy.md")).toContainText("workspace");
    await expect(row(ana, "flows/odd.yaml")).toContainText("4:13: there is no step `b`");
    await expect(rows(ana)).toHaveCount((await paths(nexus)).length);
    await everyLook(ana, "workspace");
    await ana.getByRole("link", { name: /^Faults/ }).click();
    await expect(row(ana, "flows/odd.yaml")).toBeVisible();
    await expect(row(ana, "aspects/nobody.remove")).toContainText("not in effect");
    await expect(rows(ana)).toHaveCount(2);
    await everyLook(ana, "workspace-faults");
    // It is put right while one looks.
    put("flows/odd.yaml", "id: odd\nsteps:\n  - id: a\n    do: { wait: { seconds: 1 } }\n");
    await expect(rows(ana)).toHaveCount(1);
    await ana.getByRole("link", { name: "Another than shipped" }).click();
    await ana.keyboard.press("/");
    await ana.keyboard.type("odd");
    await expect(rows(ana)).toHaveCount(1);
    await expect(row(ana, "flows/odd.yaml")).not.toContainText("there is no step");
    await ana.getByRole("link", { name: "Skills" }).click();
    const skills = ana.getByRole("table", { name: "Skills" }).locator("tbody tr");
    await expect(skills).toHaveText([
      /^check-a-claim.*claim, source\?.*framework:skills\/check-a-claim\.md$/,
      /^summarise.*text.*framework:skills\/summarise\.md$/,
      /^tidyPut things where they belong\.skills\/tidy\.md$/,
    ]);
    await everyLook(ana, "workspace-skills");
    await ana.getByRole("link", { name: "All files" }).click();
    await ana.getByRole("searchbox").fill("no such file");
    await expect(ana.getByText("No file is like that.")).toBeVisible();
  });

  test("a viewer reads it, and a phone is wide enough", async ({ nexus, page, ana }) => {
    await nexus.api("POST", "operators", { name: "vera", role: "viewer", token_sha256: "1".repeat(64) });
    await nexus.api("PUT", "operators/vera/password", { password: PASSWORD });
    await ana.context().clearCookies();
    await logIn(page, nexus, "vera");
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${nexus.url}/workspace?show=own`);
    await expect(row(page, "skills/tidy.md")).toBeVisible();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    expect(wide, "nothing stands out over the side").toBe(false);
    await picture(page, "workspace-viewer");
  });
});
