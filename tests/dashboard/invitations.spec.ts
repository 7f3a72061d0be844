/** Inviting a person: a link shown once, accepted in another browser, refused when used, taken back or expired. */
import { type Nexus, until } from "./lib/nexus";
import { type Page, PASSWORD, accessible, everyLook, expect, goTo, logIn, test, watch } from "./lib/test";

async function people(page: Page): Promise<void> {
  await goTo(page, "Settings");
  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "People" }).click();
}

async function choose(page: Page, password: string, again = password): Promise<void> {
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("The password again").fill(again);
  await page.getByRole("button", { name: "Accept and log in" }).click();
}

const invite = (nexus: Nexus, name: string, more = {}) =>
  nexus.api<{ link: string; token: string }>("POST", "invitations", { name, role: "viewer", ...more });

test("an admin invites, somebody else accepts and is a viewer, once", async ({ nexus, ana, browser }) => {
  await people(ana);
  await ana.getByRole("button", { name: "Invite a person" }).click();
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Name").fill("ana");
  await expect(dialog.getByText("ana is in already.")).toBeVisible();
  await dialog.getByLabel("Name").fill("vera");
  await dialog.getByLabel("Role").selectOption("viewer");
  await accessible(ana);
  await dialog.getByRole("button", { name: "Make the link" }).click();
  const link = await dialog.getByRole("textbox", { name: "The link" }).inputValue();
  expect(link).toMatch(new RegExp(`^${nexus.url}/#invite=nxinvite_`));
  await accessible(ana);
  await dialog.getByRole("button", { name: "Copy" }).click();
  await dialog.getByRole("button", { name: /^(Done|Close)$/ }).click();
  const close = dialog.getByRole("button", { name: "Close without it" });
  if (await close.isVisible()) await close.click();
  const invited = ana.getByRole("table", { name: "Invited" }).getByRole("row", { name: /^vera/ });
  await expect(invited).toContainText("viewer");
  await expect(invited).toContainText("ana");
  await everyLook(ana, "settings-invited");

  const vera = await (await browser.newContext()).newPage();
  watch(vera, nexus);
  const asked: string[] = [];
  vera.on("request", (request) => asked.push(request.url()));
  await vera.goto(link);
  await expect(vera.getByRole("heading", { name: "You are invited" })).toBeVisible();
  expect(vera.url(), "the token does not stay in the address").toBe(`${nexus.url}/`);
  await everyLook(vera, "login-invited");
  await choose(vera, PASSWORD, "something else");
  await expect(vera.getByText("This is not what stands above.")).toBeVisible();
  await choose(vera, PASSWORD);
  await expect(vera.getByText("You are in as vera, with the role viewer.")).toBeVisible();
  await expect(vera.getByText("vera viewer")).toBeVisible();
  expect(asked.filter((url) => url.includes("nxinvite_"))).toEqual([]);
  await expect(invited).toHaveCount(0);
  await expect(ana.getByRole("table", { name: "People" }).getByRole("row", { name: /^vera/ })).toContainText(
    "viewer",
  );
  await people(vera);
  await expect(vera.getByRole("button", { name: "Invite a person" })).toHaveCount(0);

  const late = await (await browser.newContext()).newPage();
  watch(late, nexus);
  await late.goto(link);
  await choose(late, "another horse battery");
  await expect(late.getByRole("alert")).toContainText("was used or taken back, or has expired");
  await accessible(late);
  await late.getByRole("button", { name: "With name and password" }).click();
  await logIn(late, nexus, "vera");
});

test("an invitation that was taken back or has expired is refused", async ({ nexus, ana, browser }) => {
  const { link } = await invite(nexus, "vera");
  const { link: brief } = await invite(nexus, "wim", { expires_in_s: 1 });
  await people(ana);
  await ana.getByRole("button", { name: "Take the invitation of vera back" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Take back" }).click();
  await expect(ana.getByText("vera is invited no more")).toBeVisible();
  await until("the brief one has expired", async () => {
    const { invitations } = await nexus.api<{ invitations: unknown[] }>("GET", "invitations");
    return invitations.length === 0;
  });
  const page = await (await browser.newContext()).newPage();
  watch(page, nexus);
  for (const old of [link, brief]) {
    await page.goto("about:blank");
    await page.goto(old);
    await choose(page, PASSWORD);
    await expect(page.getByRole("alert")).toContainText("was used or taken back, or has expired");
  }
});

test("a link opened where somebody is logged in logs them out once it is accepted", async ({
  nexus,
  ana,
}) => {
  const { link } = await invite(nexus, "vera");
  await ana.goto(link);
  await expect(ana.getByText("ana is logged in here")).toBeVisible();
  expect(ana.url()).toBe(`${nexus.url}/`);
  await ana.getByRole("button", { name: "Go on without it" }).click();
  await expect(ana.getByText("ana admin")).toBeVisible();
  // On a page that is open already, too.
  await ana.evaluate((hash) => (window.location.hash = hash), new URL(link).hash);
  await expect(ana.getByRole("heading", { name: "You are invited" })).toBeVisible();
  await choose(ana, PASSWORD);
  await expect(ana.getByText("vera viewer")).toBeVisible();
});
