/** The way in: first use, a password, a token, and what is said when it is not let in. */
import { accessible, everyLook, expect, logIn, PASSWORD, picture, test, watch } from "./lib/test";

test("the link that the broker prints sets it up, once", async ({ nexus, page }) => {
  watch(page, nexus);
  await page.goto(`${nexus.url}/#setup=${nexus.setupToken}`);
  await expect(page.getByRole("heading", { name: "Set up this Nexus" })).toBeVisible();
  await expect(page.getByLabel("Setup token")).toHaveValue(nexus.setupToken);
  expect(page.url(), "the token does not stay in the address").toBe(`${nexus.url}/`);
  await page.getByLabel("Name").fill("ana");
  await page.getByLabel("Password").fill(PASSWORD);
  await everyLook(page, "login-setup");
  await page.getByRole("button", { name: "Set up and log in" }).click();
  await expect(page.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  await expect(page.getByText("ana admin")).toBeVisible();
  const cookies = await page.context().cookies();
  expect(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }))).toEqual([
    { name: "nexus_session", httpOnly: true, sameSite: "Strict" },
  ]);

  await page.context().clearCookies();
  await page.goto(`${nexus.url}/login#setup=${nexus.setupToken}`);
  await page.getByLabel("Name").fill("eve");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set up and log in" }).click();
  await expect(page.getByRole("alert")).toContainText("used before");
  await expect(page.getByRole("alert")).toContainText("nexus token setup");
});

test("a token lets somebody in, and logging out shuts them out", async ({ nexus, page }) => {
  watch(page, nexus);
  await page.goto(`${nexus.url}/chat`);
  await page.getByRole("button", { name: "With an API token" }).click();
  await page.getByLabel("API token").fill("nxo_AAAA");
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("this operator token is not known here");
  await page.getByLabel("API token").fill(nexus.token);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Chat", level: 1 })).toBeVisible();
  await page.getByRole("button", { name: /log out and more/ }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
});

test.describe("with few tries", () => {
  test.use({ options: { settings: { "limits.failures_per_min": "4" } } });

  test("what is wrong is said, with the seconds to wait", async ({ nexus, page }) => {
    watch(page, nexus);
    await page.goto(`${nexus.url}/`);
    await page.getByLabel("Name").fill("admin");
    await page.getByLabel("Password").fill("not the password");
    const enter = page.getByRole("button", { name: "Log in", exact: true });
    await enter.click();
    await expect(page.getByRole("alert")).toContainText("the name or the password is wrong");
    await accessible(page);
    await expect(async () => {
      if (await enter.isEnabled()) await enter.click();
      await expect(page.getByRole("alert")).toContainText(/Try again in \d+ (s|min)/, { timeout: 1_000 });
    }).toPass();
    await picture(page, "login-limited");
  });
});

test("a broker that is gone is told apart from a wrong password", async ({ ana, nexus }) => {
  await ana.getByRole("button", { name: /log out and more/ }).click();
  await ana.getByRole("menuitem", { name: "Log out" }).click();
  await ana.getByLabel("Name").fill("ana");
  await ana.getByLabel("Password").fill(PASSWORD);
  await nexus.kill();
  await ana.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(ana.getByRole("alert")).toContainText("the broker does not answer");
  await nexus.serve();
  await ana.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(ana.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
});

test("a session that an admin ends is told of, without a reload", async ({ ana, nexus }) => {
  await nexus.api("PUT", "operators/ana/password", { password: "another horse battery" });
  await expect(ana.getByText("Your session has ended")).toBeVisible();
  await logIn(ana, nexus, "ana", "another horse battery");
});
