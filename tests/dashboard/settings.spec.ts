/** Settings: keys made in the browser, people with their roles, secrets, the broker; and what a viewer may not do. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Nexus, bin, until } from "./lib/nexus";
import {
  type Page,
  PASSWORD,
  accessible,
  everyLook,
  expect,
  goTo,
  logIn,
  picture,
  test,
  watch,
} from "./lib/test";

const SECRET = "sk-canary-4c1d-never-shown";

async function settings(page: Page, tab: string): Promise<void> {
  await goTo(page, "Settings");
  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: tab }).click();
}

async function act(page: Page, name: string, item: string): Promise<void> {
  await page.getByRole("button", { name: `What can be done with ${name}` }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

/** Downloads the keyfile that is offered, puts it into the home and closes the dialog. */
async function takeKeyfile(page: Page, name: string, home: string): Promise<void> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: `Download ${name}.key.json` }).click(),
  ]);
  mkdirSync(join(home, ".nexus"), { recursive: true, mode: 0o700 });
  const fresh = join(home, ".nexus/fresh.json");
  copyFileSync(await download.path(), fresh);
  spawnSync("install", ["-m", "600", fresh, join(home, ".nexus/key.json")]);
  await expect(page.getByText("The keyfile is yours now; it is not shown again.")).toBeVisible();
  await page.getByRole("button", { name: "Done", exact: true }).click();
}

class Agent {
  private constructor(private readonly process: ChildProcess) {}

  static start(home: string): Agent {
    return new Agent(spawn(join(bin, "agent"), [home], { stdio: ["ignore", "ignore", "inherit"] }));
  }

  ended(): Promise<number | null> {
    const { process } = this;
    if (process.exitCode !== null) return Promise.resolve(process.exitCode);
    return new Promise((resolve) => process.once("exit", resolve));
  }

  stop(): void {
    this.process.kill();
  }
}

const keyOf = (nexus: Nexus, name: string) =>
  nexus.api<{ key_generation: number; previous_until?: number }>("GET", `aspects/${name}/key`);

test("an aspect gets its key in the browser, a new one later, and is shut out", async ({
  nexus,
  ana,
}, info) => {
  const home = info.outputPath("robin");
  expect(spawnSync(join(bin, "agent"), ["new", home, "--description", "Sings"]).status).toBe(0);
  await settings(ana, "Aspects");
  await ana.getByRole("button", { name: "Let an aspect in" }).click();
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Robin");
  await expect(dialog.getByText("Lower-case letters, digits and dashes")).toBeVisible();
  await dialog.getByLabel("Name").fill("robin");
  await accessible(ana);
  const sent: string[] = [];
  ana.on("request", (request) => sent.push(request.postData() ?? ""));
  await dialog.getByRole("button", { name: "Make its key and let it in" }).click();
  await expect(ana.getByRole("heading", { name: "robin is in" })).toBeVisible();
  // Closing it unkept is asked about, once.
  await ana.keyboard.press("Escape");
  await expect(ana.getByText("You have not kept the keyfile.")).toBeVisible();
  await picture(ana, "settings-keyfile");
  await takeKeyfile(ana, "robin", home);
  const keyfile = JSON.parse(readFileSync(join(home, ".nexus/key.json"), "utf8")) as Record<string, string>;
  const secret = keyfile.private_key?.split("\n")[1] ?? "";
  expect(secret.length).toBeGreaterThan(40);
  expect(sent.join("\n")).toContain(keyfile.public_key);
  expect(sent.join("\n")).not.toContain(secret);

  const agent = Agent.start(home);
  const row = ana.getByRole("table", { name: "Aspects" }).getByRole("row", { name: /^robin/ });
  await expect(row).toContainText("online");

  await act(ana, "robin", "Rotate the key…");
  await dialog.getByLabel("The old key is to").selectOption("600");
  await dialog.getByRole("button", { name: "Make a new key" }).click();
  await takeKeyfile(ana, "robin", home);
  await expect(row).toContainText("#2");
  await expect(row).toContainText("good until");
  const { public_key } = JSON.parse(readFileSync(join(home, ".nexus/key.json"), "utf8")) as {
    public_key: string;
  };
  // The running agent sees the file and registers anew with its key.
  await until("robin registers with its new key", async () => {
    const { generation } = await nexus.api<{ generation: number }>("GET", "aspects/robin");
    return generation > 1;
  });
  expect(public_key).not.toBe(keyfile.public_key);
  await expect(row).toContainText("online");
  expect((await keyOf(nexus, "robin")).key_generation).toBe(2);

  await act(ana, "robin", "Pause…");
  await dialog.getByLabel("Why").fill("its disk is being changed");
  await dialog.getByRole("button", { name: "Pause" }).click();
  await expect(row).toContainText("paused: its disk is being changed");
  await act(ana, "robin", "Release");
  await expect(row).not.toContainText("paused");

  await act(ana, "robin", "Revoke…");
  const revoke = dialog.getByRole("button", { name: "Revoke" });
  await expect(revoke).toBeDisabled();
  await dialog.getByLabel("Type robin to confirm").fill("robi");
  await expect(revoke).toBeDisabled();
  await dialog.getByLabel("Type robin to confirm").fill("robin");
  await revoke.click();
  await expect(row).toHaveCount(0);
  expect(await agent.ended()).not.toBe(0);
  await ana.keyboard.press("g");
  await ana.keyboard.press("t");
  await expect(ana.getByRole("heading", { name: "Team", level: 1 })).toBeVisible();
  await expect(ana.getByRole("main")).toContainText("bo");
  await expect(ana.getByRole("main")).not.toContainText("robin");
});

test("a viewer is let in, sees what they may not do, and becomes an operator", async ({
  nexus,
  ana,
  browser,
}) => {
  await settings(ana, "People");
  await ana.getByRole("button", { name: "Let a person in" }).click();
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Name").fill("vera");
  await dialog.getByLabel("Role").selectOption("viewer");
  await dialog.getByLabel("Password", { exact: true }).fill("short");
  await expect(dialog.getByRole("button", { name: "Let them in" })).toBeDisabled();
  await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await dialog.getByRole("button", { name: "Let them in" }).click();
  const row = ana.getByRole("table", { name: "People" }).getByRole("row", { name: /^vera/ });
  await expect(row).toContainText("viewer");
  await everyLook(ana, "settings-people");
  const { operators } = await nexus.api<{ operators: { name: string; tokens: unknown[] }[] }>(
    "GET",
    "operators",
  );
  expect(operators.find((it) => it.name === "vera")?.tokens).toEqual([]);

  const vera = await (await browser.newContext()).newPage();
  watch(vera, nexus);
  await logIn(vera, nexus, "vera");
  for (const tab of ["Aspects", "Credentials", "People", "Broker"]) {
    await settings(vera, tab);
    await expect(vera.getByText(/You are a viewer/)).toBeVisible();
    await expect(
      vera.getByRole("main").getByRole("button", { name: /Let|Keep|Back up|can be done/ }),
    ).toHaveCount(0);
    await accessible(vera);
  }
  await goTo(vera, "Usage");
  await expect(vera.getByRole("button", { name: "Set a budget" })).toHaveCount(0);
  await expect(vera.getByRole("button", { name: "Stop spending for today" })).toHaveCount(0);

  await act(ana, "vera", "Role…");
  await dialog.getByLabel("Role").selectOption("operator");
  await dialog.getByRole("button", { name: "Change" }).click();
  await expect(row).toContainText("operator");
  // It is in force without a new login.
  await expect(vera.getByRole("button", { name: "Set a budget" })).toBeVisible();

  await act(ana, "vera", "Revoke…");
  await dialog.getByLabel("Type vera to confirm").fill("vera");
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await expect(row).toHaveCount(0);
  await expect(vera.getByRole("heading", { name: "Log in" })).toBeVisible();
  await ana.getByLabel("Show the 1 who were shut out").check();
  await expect(row).toContainText("revoked");
});

test("tokens are shown once and can be revoked; a password ends other sessions", async ({
  nexus,
  ana,
  browser,
}) => {
  await settings(ana, "You");
  await ana.getByLabel("A further token, for").fill("laptop");
  await ana.getByRole("button", { name: "Make a token" }).click();
  const shown = ana.getByRole("textbox", { name: "The token" });
  const token = await shown.inputValue();
  expect(token).toMatch(/^nxo_/);
  const works = async () =>
    (await fetch(`${nexus.url}/api/v1/session`, { headers: { Authorization: `Bearer ${token}` } })).status;
  expect(await works()).toBe(200);
  await ana.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await ana.getByRole("button", { name: "Copy", exact: true }).click();
  expect(await ana.evaluate(() => navigator.clipboard.readText())).toBe(token);
  await ana.getByRole("button", { name: "Done", exact: true }).click();
  await ana.getByRole("button", { name: "Revoke the token laptop" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(ana.getByRole("row", { name: /^laptop/ })).toHaveCount(0);
  expect(await works()).toBe(401);

  const other = await (await browser.newContext()).newPage();
  await logIn(other, nexus);
  const change = async (current: string) => {
    await ana.getByLabel("The password that is good now").fill(current);
    await ana.getByLabel("The new one", { exact: true }).fill("another horse battery");
    await ana.getByLabel("The new one again").fill("another horse battery");
    await ana.getByRole("button", { name: "Change the password" }).click();
  };
  await change("wrong horse battery");
  await expect(ana.getByText("The password stays as it is")).toBeVisible();
  await change(PASSWORD);
  await expect(ana.getByText("Your password is changed; your other sessions have ended")).toBeVisible();
  await expect(other.getByRole("heading", { name: "Log in" })).toBeVisible();
  await goTo(ana, "Audit");
  await expect(ana.locator("tr[data-seq]").first()).toBeVisible();
});

test("a secret is kept, lent, replaced and forgotten, and never shown", async ({ nexus, ana }) => {
  await settings(ana, "Credentials");
  await expect(ana.getByText("No secret is kept.")).toBeVisible();
  await ana.getByRole("button", { name: "Keep a secret" }).click();
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Name").fill("model");
  await dialog.getByLabel("Where the broker’s calls go").fill("http://api.example");
  await dialog.getByLabel("Secret").fill(SECRET);
  await dialog.getByLabel("ada").check();
  await dialog.getByRole("button", { name: "Keep", exact: true }).click();
  await expect(dialog.getByText("must begin with https://")).toBeVisible();
  await dialog.getByLabel("Where the broker’s calls go").fill("https://api.example");
  await dialog.getByRole("button", { name: "Keep", exact: true }).click();
  const row = ana.getByRole("table", { name: "Credentials" }).getByRole("row", { name: /^model/ });
  await expect(row).toContainText("ada");

  await act(ana, "model", "Who may use it…");
  await dialog.getByLabel("ada").uncheck();
  await dialog.getByLabel("bo").check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(row).toContainText("bo");
  await expect(row).not.toContainText("ada");
  expect(await nexus.api("GET", "credentials/model")).toMatchObject({ allowed_aspects: ["bo"] });
  await act(ana, "model", "New secret…");
  await dialog.getByLabel("Secret").fill(`${SECRET}-2`);
  await dialog.getByRole("button", { name: "Replace" }).click();
  await expect(ana.getByText("model has a new secret")).toBeVisible();
  expect(await ana.content()).not.toContain(SECRET);
  await everyLook(ana, "settings-credentials");
  await act(ana, "model", "Remove…");
  await dialog.getByLabel("Type model to confirm").fill("model");
  await dialog.getByRole("button", { name: "Remove" }).click();
  await expect(ana.getByText("No secret is kept.")).toBeVisible();
});

test("the broker says how it is, makes a backup, and is missed when it is gone", async ({ nexus, ana }) => {
  await settings(ana, "Broker");
  await expect(ana.getByText("ready: what is acknowledged is on disk")).toBeVisible();
  await ana.getByLabel("Name of the file").fill("friday.tar");
  await ana.getByRole("button", { name: "Back up now" }).click();
  await expect(ana.getByRole("status").getByText(/friday\.tar$/)).toBeVisible();
  await ana.getByRole("button", { name: "Back up now" }).click();
  await expect(ana.getByText("No backup was made")).toBeVisible();
  await everyLook(ana, "settings-broker");
  await nexus.kill();
  await expect(ana.getByText("The broker does not answer")).toBeVisible();
  await picture(ana, "settings-broken");
  await nexus.serve();
  await expect(ana.getByText("ready: what is acknowledged is on disk")).toBeVisible();
  await ana.keyboard.press("[");
  await expect(ana).toHaveURL(/settings\/you$/);
  await ana.keyboard.press("[");
  await expect(ana).toHaveURL(/settings\/people$/);
});
