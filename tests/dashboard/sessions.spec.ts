/** Sessions: the tree drawn, read, rewound, forked, compared and compacted, by the aspect's own process. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { type Nexus, repository, until } from "./lib/nexus";
import { type Page, accessible, everyLook, expect, goTo, picture, test } from "./lib/test";

test.use({ options: { team: join(repository, "tests/dashboard/builders") } });

const items = (page: Page) => page.getByRole("tree").getByRole("treeitem");
const entry = (page: Page, text: string) => items(page).filter({ hasText: text });
const read = (page: Page) => page.getByRole("article");

/** A thread with clerk in which these words were said, each with its answer. */
async function said(nexus: Nexus, words: readonly string[], thread?: string): Promise<string> {
  await nexus.online("clerk");
  let at = thread;
  for (const word of words) {
    const message = { to: ["clerk"], content: `say ${word}`, ...(at === undefined ? {} : { thread: at }) };
    const sent: { thread: string } = await nexus.api("POST", "messages", message);
    at = sent.thread;
    await until("the answer", async () => {
      const path = `threads/${sent.thread}/messages?limit=200`;
      const { messages } = await nexus.api<{ messages: { from: string }[] }>("GET", path);
      return messages.at(-1)?.from === "clerk";
    });
  }
  return at ?? "";
}

async function show(page: Page, nexus: Nexus, thread: string): Promise<void> {
  await page.goto(`${nexus.url}/sessions/clerk/${thread}`);
  await expect(items(page).first()).toBeVisible();
}

async function give(page: Page, verb: string): Promise<void> {
  await page.getByRole("dialog").getByRole("button", { name: verb, exact: true }).click();
}

test("a session is found by its aspect and what it is about, and an entry is read", async ({
  nexus,
  ana,
}) => {
  const thread = await said(nexus, ["one", "two"]);
  await goTo(ana, "Sessions");
  await ana.getByRole("link", { name: /^brick/ }).click();
  await expect(ana.getByText("brick has no session yet.")).toBeVisible();
  await everyLook(ana, "sessions-empty");
  await ana.getByRole("link", { name: /^clerk/ }).click();
  await ana
    .getByRole("list", { name: "Sessions of clerk" })
    .getByRole("link", { name: /say one/ })
    .click();
  await expect(ana).toHaveURL(new RegExp(`/sessions/clerk/${thread}`));
  await expect(ana.locator(".dot-head")).toHaveText("head");
  await entry(ana, "say two").click();
  await expect(read(ana).locator(".entry-voice")).toHaveText("operator/admin");
  await expect(read(ana).locator(".markdown")).toHaveText("say two");
  await everyLook(ana, "sessions-entry");
  // What is said meanwhile is drawn.
  await said(nexus, ["three"], thread);
  await expect(entry(ana, "agent three")).toBeVisible();
});

test("it is rewound in the drawing, what was left stays, and the branches are compared", async ({
  nexus,
  ana,
}) => {
  const thread = await said(nexus, ["one", "two", "three"]);
  await show(ana, nexus, thread);
  await entry(ana, "agent one").click();
  await ana.getByRole("button", { name: "Rewind here…" }).click();
  await expect(ana.getByRole("dialog")).toContainText("stay as another branch");
  await accessible(ana);
  await give(ana, "Rewind");
  await expect(ana.getByText("Rewound: what comes next hangs here")).toBeVisible();
  await said(nexus, ["four"], thread);
  await expect(entry(ana, "agent four")).toHaveAccessibleName(/active branch/);
  await expect(entry(ana, "agent three")).toHaveAccessibleName(/another branch/);

  await entry(ana, "agent three").click();
  await ana.keyboard.press("d");
  const compared = ana.getByRole("region", { name: "Two branches compared" });
  await expect(compared.locator(".diff-removed .cell-text").filter({ hasText: "three" })).toHaveCount(2);
  await expect(compared.locator(".diff-added .cell-text").filter({ hasText: "four" })).toHaveCount(2);
  await everyLook(ana, "sessions-compared");
  await compared.getByRole("button", { name: "One after the other" }).click();
  await compared.locator(".diff-added .cell-head").filter({ hasText: "say four" }).click();
  await expect(compared.getByRole("article").locator(".markdown")).toHaveText("say four");
  await picture(ana, "sessions-unified");
  await compared.getByRole("button", { name: "Close" }).click();

  // The branch that was left is summed up on the active one.
  await ana.goto(`${nexus.url}/sessions/clerk/${thread}`);
  await entry(ana, "another branch").or(entry(ana, "replied")).first().waitFor();
  await ana
    .getByLabel(/^custom\.decision: replied, another branch/)
    .last()
    .click();
  await ana.getByRole("button", { name: "Summarise…" }).click();
  await give(ana, "Summarise");
  await expect(ana.getByText("The summary is on the active branch")).toBeVisible();
  await expect(entry(ana, "They spoke of a river.")).toBeVisible();
});

test("it is forked with a next message, by keyboard alone", async ({ nexus, ana }) => {
  const thread = await said(nexus, ["one", "two"]);
  await show(ana, nexus, thread);
  const drawing = ana.getByRole("tree");
  await drawing.focus();
  await ana.keyboard.press("Home");
  const here = async () => {
    const id = (await drawing.getAttribute("aria-activedescendant")) ?? "";
    return ana.locator(`[id="${id}"]`).textContent();
  };
  for (let step = 0; step < 20 && !(await here())?.includes("say one"); step += 1) {
    await ana.keyboard.press("ArrowDown");
  }
  await ana.keyboard.press("Enter");
  await expect(read(ana).locator(".markdown")).toHaveText("say one");
  await ana.keyboard.press("f");
  await expect(ana.getByLabel("The next message in it")).toBeFocused();
  await accessible(ana);
  await ana.keyboard.type("say this is a fork");
  await ana.keyboard.press("Tab");
  await ana.keyboard.press("Tab");
  await ana.keyboard.press("Enter");
  await expect(ana.getByText("The fork is made, and shown")).toBeVisible();
  await expect(ana).not.toHaveURL(new RegExp(thread));
  await expect(entry(ana, "say this is a fork").locator(".dot-head")).toBeVisible();
  await expect(entry(ana, "say two")).toHaveCount(0);
  await picture(ana, "sessions-forked");
  await ana.goBack();
  await show(ana, nexus, thread);
  await expect(entry(ana, "say two")).toBeVisible();
});

test("it is compacted, the summary shows what it stands for, and what cannot be done is said", async ({
  nexus,
  ana,
}) => {
  const words = Array.from({ length: 9 }, (_, at) => `number ${at}`);
  const thread = await said(nexus, words);
  await show(ana, nexus, thread);
  const compact = async () => {
    await ana.getByRole("button", { name: "The whole session" }).click();
    await ana.getByRole("menuitem", { name: "Compact…" }).click();
    await give(ana, "Compact");
  };
  await compact();
  await expect(ana.getByText("Compacted: a summary stands for the beginning")).toBeVisible();
  await entry(ana, "They spoke of a river.").click();
  await expect(read(ana).locator(".entry-summary")).toContainText("They spoke of a river.");
  await ana.getByRole("button", { name: "Show what it stands for" }).click();
  await expect(ana.locator(".originals li").filter({ hasText: "say number 0" })).toBeVisible();
  await everyLook(ana, "sessions-compacted");
  await compact();
  await expect(ana.getByText(/^It was not done: /)).toBeVisible();
});

test("what a tool changed is read as a diff", async ({ nexus, ana }) => {
  await nexus.online("clerk");
  const { thread } = await nexus.api<{ thread: string }>("POST", "messages", {
    to: ["clerk"],
    content: "change the letter",
  });
  const open = () => nexus.api<{ approvals: { id: string }[] }>("GET", "approvals");
  await until("the question", async () => (await open()).approvals.length === 1);
  const [asked] = (await open()).approvals;
  await nexus.api("POST", `approvals/${asked?.id ?? ""}/answer`, { verdict: "approve" });
  await show(ana, nexus, thread);
  await expect(entry(ana, "The letter is changed.")).toBeVisible();
  await ana.locator("[data-kind='turn.tool_result']").last().click();
  await expect(read(ana).locator(".diff-removed").filter({ hasText: "Dear Sir" })).toBeVisible();
  await expect(read(ana).locator(".diff-added").filter({ hasText: "Dear Madam" })).toBeVisible();
  await everyLook(ana, "sessions-diff");
});

test("thousands of entries are folded, and only what is seen is made", async ({ nexus, ana }) => {
  const thread = await said(nexus, ["one"]);
  nexus.ctl("hold", "clerk", "--reason", "its session grows");
  await until("it has stopped", async () => {
    const { state } = await nexus.api<{ state: string }>("GET", "aspects/clerk");
    return state === "offline";
  });
  await ana.goto(`${nexus.url}/sessions/clerk/${thread}`);
  await expect(ana.getByText(/It is held by operator\/admin: its session grows/)).toBeVisible();
  await everyLook(ana, "sessions-offline");
  grow(join(nexus.agents, "clerk/session/threads", `${thread}.jsonl`), 5_000);
  nexus.ctl("release", "clerk");
  await expect(ana.getByText(/^500\d entries, 1 branch$/)).toBeVisible();
  await expect(ana.locator("[data-kind='fold']")).toHaveCount(1);
  await ana.locator("[data-kind='fold']").click();
  await ana.getByRole("tree").focus();
  await ana.keyboard.press("Home");
  for (let step = 0; step < 3; step += 1) await ana.keyboard.press("ArrowDown");
  await ana.keyboard.press("Enter");
  await expect(ana.locator("[data-kind='custom.grown']").first()).toBeVisible();
  expect(await items(ana).count()).toBeLessThan(80);
  await ana.keyboard.press("End");
  await expect(ana.locator(".dot-head")).toBeInViewport();
  await picture(ana, "sessions-long");
});

/** Appends entries to a session that nobody writes. */
function grow(file: string, count: number): void {
  const ts = new Date().toISOString();
  const id = (at: number) => `019b7f1c-0000-7000-8000-${String(at).padStart(12, "0")}`;
  // What follows an entry that is not there hangs on what was the head.
  const line = (at: number) =>
    JSON.stringify({
      id: id(at),
      parentId: at === 0 ? id(count) : id(at - 1),
      kind: "custom.grown",
      ts,
      payload: { at },
    });
  appendFileSync(file, Array.from({ length: count }, (_, at) => `${line(at)}\n`).join(""));
}

test("it can be read on a phone", async ({ nexus, ana }) => {
  await said(nexus, ["one", "two"]);
  await ana.setViewportSize({ width: 390, height: 844 });
  await ana.goto(`${nexus.url}/sessions/clerk`);
  await ana
    .getByRole("list", { name: "Sessions of clerk" })
    .getByRole("link", { name: /say one/ })
    .click();
  await entry(ana, "say two").click();
  await expect(read(ana)).toBeVisible();
  await accessible(ana);
  expect(await ana.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  await ana.getByRole("link", { name: "← clerk" }).click();
  await expect(ana.getByRole("list", { name: "Sessions of clerk" })).toBeVisible();
});
