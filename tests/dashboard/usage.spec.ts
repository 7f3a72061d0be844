/** Usage: charts that show what `usage.read` says, the table beside them, and budgets. */
import { Aspect, type Spent } from "./lib/aspect";
import { type Page, everyLook, expect, goTo, picture, test } from "./lib/test";
import type { Nexus } from "./lib/nexus";

interface Row {
  key: string;
  messages: number;
  dispatches: number;
  usage: Record<string, number | undefined>;
  cost_microusd: number;
  unpriced: number;
}

interface Report {
  rows: Row[];
  total: Row;
}

const SONNET: Spent = {
  provider: "anthropic",
  model: "sonnet",
  usage: { input_tokens: 3_000, output_tokens: 1_000, cache_read_tokens: 12_000, cache_write_tokens: 500 },
  cost_microusd: 40_000,
};
const MINI: Spent = {
  provider: "openai",
  model: "mini",
  usage: { input_tokens: 1_000, output_tokens: 500 },
  cost_microusd: 10_000,
};
const LOCAL: Spent = { provider: "local", model: "qwen", usage: { input_tokens: 2_000, output_tokens: 700 } };

async function spent(nexus: Nexus): Promise<Aspect[]> {
  const [moth, finch] = [await Aspect.join(nexus, "moth"), await Aspect.join(nexus, "finch")];
  await moth.reply("one", SONNET);
  await moth.reply("two", SONNET);
  await finch.reply("three", MINI);
  await finch.reply("four", LOCAL);
  return [moth, finch];
}

const count = (value: number | undefined) => (value ?? 0).toLocaleString("en-US").replaceAll(",", "\u202f");

function cells({ messages, dispatches, usage, cost_microusd, unpriced }: Row): string[] {
  const kinds = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"].map(
    (kind) => usage[kind] ?? 0,
  );
  const cost = cost_microusd === 0 ? "$0" : `$${(cost_microusd / 1_000_000).toFixed(2)}`;
  const tokens = kinds.reduce((sum, it) => sum + it, 0);
  return [
    count(messages),
    count(dispatches),
    ...kinds.map(count),
    count(tokens),
    cost,
    unpriced === 0 ? "–" : count(unpriced),
  ];
}

/** Heights of the bars of a chart, in pixels of one colour; one for each key, from the left. */
function bars(page: Page, title: string, keys: number): Promise<number[]> {
  const chart = page.locator("figure", { has: page.getByRole("heading", { name: title }) });
  return chart.locator("canvas").evaluate((canvas: HTMLCanvasElement, keys) => {
    const colour = getComputedStyle(canvas).getPropertyValue("--series-plain").trim();
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    const { data, width, height } = canvas
      .getContext("2d")
      ?.getImageData(0, 0, canvas.width, canvas.height) ?? {
      data: new Uint8ClampedArray(),
      width: 0,
      height: 0,
    };
    const columns = Array.from({ length: width }, (_, x) => {
      let hits = 0;
      for (let y = 0; y < height; y += 1) {
        const at = 4 * (y * width + x);
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) hits += 1;
      }
      return hits;
    });
    // Groups of columns that have the colour are bars.
    const found: number[] = [];
    for (let x = 0; x < width; x += 1) {
      const here = columns[x] ?? 0;
      if (here > 0 && (columns[x - 1] ?? 0) === 0) found.push(0);
      if (here > 0) found[found.length - 1] = Math.max(found.at(-1) ?? 0, here);
    }
    return found.slice(0, keys);
  }, keys);
}

test("the table says what usage.read says, by day, aspect, model and Hand", async ({ nexus, ana }) => {
  await spent(nexus);
  await goTo(ana, "Usage");
  for (const [by, word] of [
    ["day", "Day"],
    ["aspect", "Aspect"],
    ["model", "Model"],
    ["hand", "Hand"],
  ] as const) {
    await ana.getByRole("button", { name: word, exact: true }).click();
    const table = ana.getByRole("table", { name: `Usage by ${word}` });
    const { rows, total } = await nexus.api<Report>("GET", `usage?by=${by}`);
    await expect(table.locator("tbody th")).toHaveText(
      rows
        .map((row) => row.key)
        .reverse()
        .reverse(),
    );
    for (const [at, row] of rows.entries()) {
      await expect(table.locator("tbody tr").nth(at).locator("td")).toHaveText(cells(row));
    }
    await expect(table.locator("tfoot td")).toHaveText(cells(total));
  }
  await picture(ana, "usage-hand");
});

test("charts have bars as high as what was spent, and say it under the pointer", async ({ nexus, ana }) => {
  const [moth] = await spent(nexus);
  await goTo(ana, "Usage");
  await ana.getByRole("button", { name: "Model", exact: true }).click();
  // 80 000, 10 000 and nothing: the second an eighth of the first, the third not there.
  await expect.poll(async () => (await bars(ana, "Cost by model", 3)).length).toBe(2);
  const [first = 0, second = 0] = await bars(ana, "Cost by model", 3);
  expect(first / second).toBeGreaterThan(7);
  expect(first / second).toBeLessThan(9);
  const chart = ana.locator("figure", { has: ana.getByRole("heading", { name: "Tokens by model" }) });
  await expect(chart.locator(".legend li")).toHaveText([
    `Input ${count(9_000)}`,
    `Output ${count(3_200)}`,
    `Cache reads ${count(24_000)}`,
    `Cache writes ${count(1_000)}`,
  ]);
  const over = chart.locator(".u-over");
  const box = await over.boundingBox();
  await over.hover({ position: { x: (box?.width ?? 0) / 6, y: 40 } });
  await expect(chart.locator(".chart-of")).toHaveText("anthropic/sonnet");
  await expect(chart.locator(".legend li").first()).toHaveText(`Input ${count(6_000)}`);

  // What is spent meanwhile comes by itself.
  await ana.mouse.move(0, 0);
  await moth?.reply("five", MINI);
  await expect(chart.locator(".legend li").first()).toHaveText(`Input ${count(10_000)}`);
  await everyLook(ana, "usage");
});

test("a time without anything says so, and the address keeps what is chosen", async ({ nexus, ana }) => {
  await spent(nexus);
  await goTo(ana, "Usage");
  await ana.getByRole("button", { name: "From – to" }).click();
  await ana.getByLabel("From, a day").fill("2020-01-01");
  await ana.getByLabel("To, a day").fill("2020-01-31");
  await expect(ana.getByText("Nothing was spent in this time.")).toBeVisible();
  await ana.reload();
  await expect(ana.getByLabel("From, a day")).toHaveValue("2020-01-01");
  await expect(ana.getByText("Nothing was spent in this time.")).toBeVisible();
  await ana.getByRole("button", { name: "Today", exact: true }).click();
  await expect(ana.getByRole("table", { name: "Usage by Day" })).toBeVisible();
});

test("a budget is set, fills, is changed and cleared", async ({ nexus, ana }) => {
  const [moth] = await spent(nexus);
  await goTo(ana, "Usage");
  await expect(ana.getByText("No budget is set: nothing bounds what is spent.")).toBeVisible();
  await ana.getByRole("button", { name: "Set a budget" }).click();
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Whose").selectOption("moth");
  await dialog.getByLabel("US dollars", { exact: true }).fill("a lot");
  await expect(dialog.getByText("A sum in US dollars, such as 5 or 0.25.")).toBeVisible();
  await dialog.getByLabel("US dollars", { exact: true }).fill("0.1");
  await dialog.getByLabel("Tokens", { exact: true }).fill("20 k");
  await dialog.getByRole("button", { name: "Set", exact: true }).click();
  const budget = ana.getByRole("listitem", { name: "Budget of moth, a day" });
  await expect(budget).toContainText(`of ${count(20_000)} tokens`);
  await expect(budget).toContainText("of $0.10");
  await moth?.reply("six", SONNET);
  await expect(budget).toContainText(`${count(16_500)} used`);
  await expect(budget).toContainText("$0.04 used");
  await expect(budget).toContainText("$0.06 left");
  await moth?.reply("seven", SONNET);
  await expect(budget).toContainText("over the limit");
  await picture(ana, "usage-budget-over");
  const { budgets } = await nexus.api<{ budgets: { of: string; limit: unknown }[] }>("GET", "budgets");
  expect(budgets.map(({ of, limit }) => ({ of, limit }))).toEqual([
    { of: "moth", limit: { tokens: 20_000, cost_microusd: 100_000 } },
  ]);

  await budget.getByRole("button", { name: /^Change/ }).click();
  await dialog.getByLabel("Tokens", { exact: true }).fill("");
  await dialog.getByLabel("US dollars", { exact: true }).fill("2");
  await dialog.getByRole("button", { name: "Set", exact: true }).click();
  await expect(budget).toContainText("of $2.00");
  await expect(budget).not.toContainText("tokens");
  await budget.getByRole("button", { name: /^Clear/ }).click();
  await dialog.getByRole("button", { name: "Clear" }).click();
  await expect(ana.getByText("No budget is set: nothing bounds what is spent.")).toBeVisible();
});

test("spending is stopped for today and goes on", async ({ nexus, ana }) => {
  await goTo(ana, "Usage");
  await ana.getByRole("button", { name: "Stop spending for today" }).click();
  const dialog = ana.getByRole("dialog");
  await dialog.getByLabel("Why").fill("the bill is too high");
  await dialog.getByRole("button", { name: "Stop", exact: true }).click();
  const today = ana.getByRole("status", { name: "Spending today" });
  await expect(today).toContainText("all spending is stopped by operator/ana");
  await expect(today).toContainText("the bill is too high");
  await picture(ana, "usage-stopped");
  const stopped = await nexus.api<{ today?: { stop?: { reason: string } } }>("GET", "budgets");
  expect(stopped.today?.stop?.reason).toBe("the bill is too high");
  await today.getByRole("button", { name: "Go on" }).click();
  await expect(ana.getByRole("button", { name: "Stop spending for today" })).toBeVisible();
  await expect(today).not.toContainText("stopped");
});
