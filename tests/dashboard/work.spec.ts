/** Work: what is under way is seen as it goes, cancelled, tried again and sent. */
import { join } from "node:path";
import { repository } from "./lib/nexus";
import type { Nexus } from "./lib/nexus";
import { type Page, accessible, everyLook, expect, goTo, picture, test } from "./lib/test";

test.use({ options: { team: join(repository, "tests/dashboard/builders") } });
test.beforeEach(({ nexus }) => nexus.online("mason", "brick", "clerk"));

const rows = (page: Page, hand: string) => page.getByRole("row").filter({ hasText: hand });
const tree = (page: Page) => page.getByRole("tree").getByRole("treeitem");
const output = (page: Page) => page.getByRole("group", { name: "Output" });

async function dispatch(nexus: Nexus, hand: string, input: unknown = {}): Promise<string> {
  const made = await nexus.api<{ dispatch: string }>("POST", "dispatches", { hand, input });
  return made.dispatch;
}

/** One dispatch of each kind, so that there is something to look at. */
async function busy(nexus: Nexus): Promise<string> {
  await dispatch(nexus, "brick/quick", { part: "step" });
  await dispatch(nexus, "brick/crumble");
  return dispatch(nexus, "mason/build");
}

test("nobody has sent any work yet, and the page says how to", async ({ ana }) => {
  await goTo(ana, "Work");
  await expect(ana.getByText("Nobody has sent any work yet.")).toBeVisible();
  await everyLook(ana, "work-empty");
  await ana.getByRole("link", { name: "Ended" }).click();
  await expect(ana.getByText("No work has ended yet.")).toBeVisible();
  await ana.getByRole("link", { name: "Dead letters" }).click();
  await expect(ana.getByText("Nothing has come to nothing.")).toBeVisible();
  await ana.getByRole("link", { name: "Gathers" }).click();
  await expect(ana.getByText("No gather was made yet.")).toBeVisible();
});

test("a tree grows while one looks, and is cancelled whole", async ({ nexus, ana }) => {
  await goTo(ana, "Work");
  const root = await dispatch(nexus, "mason/build");
  await rows(ana, "mason/build").click();
  await expect(ana).toHaveURL(new RegExp(root));
  await expect(tree(ana)).toHaveCount(4);
  await expect(tree(ana).and(ana.getByLabel(/^mason\/build, waiting/))).toBeVisible();
  await expect(tree(ana).and(ana.getByLabel(/^brick\/lay, running/))).toHaveCount(2);
  await expect(ana.getByText("its worker waits for other work")).toBeVisible();
  // The timeline has a bar for each of them.
  await expect(ana.locator(".timeline .bar")).toHaveCount(4);
  await expect(ana.locator(`.timeline [data-dispatch="${root}"]`)).toHaveClass(/bar-waiting bar-chosen/);
  await ana.getByRole("button", { name: "by tree" }).click();
  await everyLook(ana, "work-tree");

  await ana.getByRole("button", { name: "Cancel…" }).click();
  await ana.getByLabel("Why (its invoker is told)").fill("enough");
  await accessible(ana);
  await ana.getByRole("button", { name: "Cancel it" }).click();
  const receipt = ana.getByRole("status", { name: "What was cancelled" });
  await expect(receipt.getByRole("heading")).toHaveText("Cancelled 4");
  // Each worker says that it has stopped, and the receipt follows.
  await expect(receipt.getByText("its worker has stopped")).toHaveCount(4);
  await expect(ana.getByText("cancelled by operator/ana: enough")).toBeVisible();
  await expect(tree(ana).and(ana.getByLabel(/, cancelled/))).toHaveCount(4);
  await picture(ana, "work-cancelled");
  const page = await nexus.api<{ dispatches: { state: string }[] }>("GET", "dispatches");
  expect(page.dispatches.map((it) => it.state)).toEqual(Array(4).fill("cancelled"));
});

test("home shows below each agent whom it works for and waits for", async ({ nexus, ana }) => {
  const root = await dispatch(nexus, "mason/build");
  const there = ana.getByRole("list", { name: "Who is there" });
  const of = (name: string) =>
    there.locator("> li").filter({ has: ana.getByRole("link", { name, exact: true }) });
  const parts = of("mason").locator("> .home-below > li > .home-below > li");
  await expect(parts).toHaveCount(2);
  await expect(of("mason")).toContainText(/waiting\s*mason\/build\s*for operator\/admin/);
  const nested = parts.filter({ hasText: "mason/nested" });
  await expect(nested.locator(".home-below li")).toHaveText(/running\s*brick\/lay/);
  await expect(parts.filter({ hasNotText: "mason/nested" })).toHaveText(/running\s*brick\/lay/);
  // Each work has one place: brick's is part of mason's.
  await expect(of("brick").locator(".home-below")).toHaveCount(0);
  await everyLook(ana, "home-tree");
  nexus.ctl("cancel", root);
  await expect(there.locator(".home-below")).toHaveCount(0);
});

test("a tree is walked by keys, and goes on when its parts are done", async ({ nexus, ana }) => {
  const root = await dispatch(nexus, "mason/build");
  await goTo(ana, "Work");
  await rows(ana, "mason/build").focus();
  await ana.keyboard.press("Enter");
  await expect(tree(ana)).toHaveCount(4);
  await tree(ana).filter({ hasText: "mason/build" }).focus();
  await ana.keyboard.press("ArrowRight");
  await expect(ana.locator("[role=treeitem]:focus")).toHaveAttribute("aria-level", "2");
  await ana.keyboard.press("Enter");
  await expect(ana).not.toHaveURL(new RegExp(root));
  await ana.locator("[role=treeitem][aria-selected=true]").focus();
  await ana.keyboard.press("ArrowLeft");
  await ana.keyboard.press("Enter");
  await expect(ana).toHaveURL(new RegExp(root));
  nexus.release("brick", "gate-wall");
  nexus.release("brick", "gate-door");
  await expect(output(ana)).toContainText("met");
  await expect(ana.getByText("its worker goes on")).toBeVisible();
  await ana.keyboard.press("Escape");
  await expect(ana).toHaveURL(/\/work$/);
  await expect(rows(ana, "mason/build")).toContainText("done");
});

test("what failed is a dead letter until it is tried again", async ({ nexus, ana }) => {
  const first = await dispatch(nexus, "brick/crumble");
  await goTo(ana, "Work");
  await ana.getByRole("link", { name: "Dead letters" }).click();
  await expect(rows(ana, "brick/crumble")).toContainText("there is no mortar");
  await rows(ana, "brick/crumble").click();
  await ana.getByRole("button", { name: "Retry…" }).click();
  await accessible(ana);
  await ana.getByLabel("Minutes it may take").fill("nonsense");
  await ana.getByRole("button", { name: "Try again" }).click();
  await expect(ana.getByRole("alert")).toContainText('"nonsense" is no number of minutes');
  await ana.getByLabel("Minutes it may take").fill("5");
  await ana.getByRole("button", { name: "Try again" }).click();
  await expect(ana).not.toHaveURL(new RegExp(first));
  await ana.getByText("Again of", { exact: true }).locator("..").getByRole("button").click();
  await expect(ana).toHaveURL(new RegExp(first));
  await expect(ana.getByText("Tried again as", { exact: true })).toBeVisible();
  await ana.keyboard.press("Escape");
  // The new one failed in the same way; the old one is no dead letter any more.
  await expect(rows(ana, "brick/crumble")).toHaveCount(1);
  const { dispatches } = await nexus.api<{ dispatches: { retry_of: string }[] }>(
    "GET",
    "dispatches?dead=true",
  );
  expect(dispatches.map((it) => it.retry_of)).toEqual([first]);
});

test("work is sent to whoever can, by keyboard, and the page says why it is that Hand", async ({
  nexus,
  ana,
}) => {
  await goTo(ana, "Work");
  await expect(ana.getByText("Nobody has sent any work yet.")).toBeVisible();
  await ana.keyboard.press("n");
  const dialog = ana.getByRole("dialog", { name: "New dispatch" });
  await dialog.getByLabel("Hand", { exact: true }).selectOption("brick/lay");
  await expect(dialog.getByText("is empty")).toBeVisible();
  await everyLook(ana, "work-send");
  await dialog.getByRole("button", { name: "Send it" }).focus();
  await ana.keyboard.press("Enter");
  // The broker checks all of it, whatever the page thinks.
  await expect(dialog.getByRole("alert")).toContainText("No work has begun.");
  await dialog.getByRole("button", { name: "For whoever can" }).focus();
  await ana.keyboard.press("Enter");
  await dialog.getByLabel("Needs (all of them)").fill("stone");
  await dialog.getByLabel("Input (JSON)").fill('{"part": "arch"');
  await expect(dialog.getByText("This is no JSON")).toBeVisible();
  await dialog.getByLabel("Input (JSON)").fill('{"part": "arch"}');
  await dialog.getByRole("button", { name: "Send it" }).focus();
  await ana.keyboard.press("Enter");
  await expect(dialog).toBeHidden();
  const why = ana.locator(".why li");
  await expect(why.first()).toHaveText(/^brick\/lay \d+ was chosen$/);
  await expect(why.filter({ hasText: "brick/quick" })).toContainText("lacks stone");
  nexus.release("brick", "gate-arch");
  await expect(output(ana)).toContainText("arch stands");
  // It is still known later, to somebody who was not there.
  await ana.reload();
  await expect(why.first()).toContainText("was chosen");
  await picture(ana, "work-why");
});

test("a gather shows what came of each", async ({ nexus, ana }) => {
  await goTo(ana, "Work");
  await ana.getByRole("link", { name: "Gathers" }).click();
  nexus.ctl("ask", "mason", "lay both");
  const gather = ana.locator(".gather").filter({ hasText: "all 2 for mason" });
  await expect(gather.locator(".gather-head")).toContainText("met");
  await expect(gather.locator(".gather-members li")).toHaveText([
    /done\s*brick\/quick/,
    /done\s*brick\/quick/,
  ]);
  await gather.getByRole("button", { name: "brick/quick" }).first().click();
  await expect(output(ana)).toContainText('"part": "left"');
  await everyLook(ana, "work-gathers");
});

test("it fits on a phone", async ({ nexus, ana }) => {
  await ana.setViewportSize({ width: 390, height: 844 });
  await busy(nexus);
  await ana.goto(`${nexus.url}/work`);
  await expect(rows(ana, "brick/lay")).toHaveCount(2);
  await expect(rows(ana, "brick/crumble")).toContainText("failed");
  await everyLook(ana, "work-busy");
  await ana.setViewportSize({ width: 390, height: 844 });
  const wide = () => ana.evaluate(() => document.documentElement.scrollWidth);
  expect(await wide()).toBe(390);
  await rows(ana, "mason/build").click();
  await expect(tree(ana)).toHaveCount(4);
  expect(await wide()).toBe(390);
  await ana.getByRole("button", { name: "Close" }).click();
  await expect(rows(ana, "mason/build")).toBeVisible();
});

test("a viewer sees everything and can change nothing", async ({ nexus, ana }) => {
  const id = await busy(nexus);
  await nexus.api("DELETE", "operators/ana");
  await nexus.api("POST", "operators", { name: "vi", role: "viewer", token_sha256: "1".repeat(64) });
  await nexus.api("PUT", "operators/vi/password", { password: "correct horse battery" });
  await ana.goto(`${nexus.url}/work/${id}`);
  await ana.getByLabel("Name").fill("vi");
  await ana.getByLabel("Password").fill("correct horse battery");
  await ana.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(tree(ana)).toHaveCount(4);
  await expect(ana.getByRole("button", { name: /Cancel|Retry|New dispatch/ })).toHaveCount(0);
});

test("a broker that is gone is said, and what came meanwhile is there once it is back", async ({
  nexus,
  ana,
}) => {
  await dispatch(nexus, "brick/quick", { part: "early" });
  await goTo(ana, "Work");
  await expect(rows(ana, "brick/quick")).toContainText("done");
  await nexus.kill();
  await expect(ana.locator(".banner")).toBeVisible();
  await expect(rows(ana, "brick/quick")).toBeVisible();
  await everyLook(ana, "work-broken");
  await nexus.serve();
  await nexus.online("brick");
  const id = await dispatch(nexus, "brick/quick", { part: "late" });
  await ana.getByRole("searchbox").fill(id);
  await expect(rows(ana, "brick/quick")).toContainText("done");
  await ana.getByRole("searchbox").fill("no such thing");
  await expect(ana.getByText("None has that in it.")).toBeVisible();
});
