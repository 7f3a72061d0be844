/** Flows: one is run in the page, waits for a person, is followed step by step, and is run again from a step. */
import { type Page, everyLook, expect, goTo, test } from "./lib/test";
import type { Nexus } from "./lib/nexus";

const flow = {
  id: "report",
  description: "Counts, asks, and goes on.",
  input: { type: "object", required: ["words"] },
  steps: [
    { id: "count", do: { dispatch: { hand: "bo/count", input: "{{ input.words }}" } } },
    { id: "leave", needs: ["count"], do: { approve: { text: "Send {{ input.words }}?" } } },
    { id: "pause", needs: ["count"], do: { wait: { until: "2020-01-01T00:00:00Z" } } },
    { id: "end", needs: ["leave", "pause"], do: { wait: { until: "2020-01-01T00:00:00Z" } } },
  ],
  output: "{{ steps.count.output }}",
};

const put = (nexus: Nexus) => nexus.api("PUT", "flows/report", flow);
const run = (page: Page) => page.getByRole("complementary", { name: "Run of report" });
const states = (page: Page) => run(page).locator(".run-steps > li > .run-step");
/** The steps that are drawn along the time of the run. */
const drawn = (page: Page) => states(page).filter({ has: page.locator(".track-bar") });

test("a flow is run, asks a person, and is run again from a step", async ({ nexus, ana }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Flows");
  await expect(ana.getByText("No flow has been run yet.")).toBeVisible();
  await put(nexus);
  await ana.getByRole("navigation", { name: "What is shown" }).getByRole("link", { name: "Flows" }).click();
  await ana.getByRole("table", { name: "Flows" }).getByText("report", { exact: true }).click();
  const defined = ana.getByRole("complementary", { name: "Flow report" });
  await expect(defined.locator(".flow-node")).toHaveText(["count", "leave", "pause", "end"]);
  await everyLook(ana, "flows-one");

  await defined.getByRole("button", { name: "Run…" }).click();
  const dialog = ana.getByRole("dialog", { name: "Run report" });
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  // The broker says what the flow wants; what was typed stays.
  await expect(dialog.getByRole("alert")).toContainText("words");
  await dialog.getByLabel("Input (JSON)").fill('{"words": "one two"}');
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await expect(dialog).toBeHidden();

  await expect(states(ana)).toContainText([
    /done\s*count/,
    /running\s*leave/,
    /done\s*pause/,
    /pending\s*end/,
  ]);
  await expect(drawn(ana)).toHaveCount(3);
  await expect(drawn(ana)).toContainText(["count", "leave", "pause"]);
  await everyLook(ana, "flows-run");
  await run(ana).getByRole("button", { name: "leave" }).click();
  await run(ana).getByRole("link", { name: "question" }).click();
  await expect(ana.getByRole("heading", { name: "Approvals", level: 1 })).toBeVisible();
  nexus.ctl(
    "approve",
    (await nexus.api<{ approvals: { id: string }[] }>("GET", "approvals")).approvals[0]?.id ?? "",
  );
  await goTo(ana, "Flows");
  const row = ana.getByRole("table", { name: "Runs" }).locator("tbody tr");
  await expect(row).toHaveCount(1);
  await expect(row).toContainText("done");
  await expect(row).toContainText("4 of 4");
  await row.click();
  await expect(states(ana)).toContainText([/done\s*count/, /done\s*leave/, /done\s*pause/, /done\s*end/]);

  const first = new URL(ana.url()).pathname;
  await run(ana).getByRole("button", { name: "Run again…" }).click();
  await ana.getByLabel("From").selectOption("leave");
  await ana.getByRole("dialog").getByRole("button", { name: "Run again", exact: true }).click();
  await expect(ana).not.toHaveURL(new RegExp(first));
  await expect(states(ana).first()).toContainText("kept of the run before");
  await expect(states(ana).nth(1)).toContainText("running");
  // What was kept was no part of this run's time.
  await expect(drawn(ana)).toHaveCount(1);
  await expect(drawn(ana)).toContainText("leave");
  await run(ana).getByRole("button", { name: "Cancel…" }).click();
  await ana.getByLabel("Reason").fill("not today");
  await ana.getByRole("button", { name: "Cancel it" }).click();
  await expect(run(ana).locator(".beside-head")).toContainText("cancelled");
  await expect(run(ana).locator(".flow-error").first()).toContainText("not today");
  const { runs } = await nexus.api<{ runs: { state: string; retry_of?: string }[] }>("GET", "runs?all=true");
  expect(runs.map(({ state, retry_of }) => [state, retry_of !== undefined])).toEqual([
    ["cancelled", true],
    ["done", false],
  ]);
  await everyLook(ana, "flows-runs");
});
