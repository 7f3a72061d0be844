/** Triggers: made, planned, fired, paused and deleted in the page, and their history as the broker has it. */
import { createHmac } from "node:crypto";
import type { Nexus } from "./lib/nexus";
import { type Page, everyLook, expect, goTo, logIn, test } from "./lib/test";

const row = (page: Page, name: string) =>
  page.getByRole("table", { name: "Triggers" }).getByText(name, { exact: true });
const panel = (page: Page, name: string) => page.getByRole("complementary", { name: `Trigger ${name}` });

test("a trigger is made, fired, and its history says what became of it", async ({ nexus, ana }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Triggers");
  await expect(ana.getByText("Nothing happens by itself yet.")).toBeVisible();
  await ana.keyboard.press("n");
  const dialog = ana.getByRole("dialog", { name: "New trigger" });
  await dialog.getByLabel("Name").fill("morning");
  await dialog.getByLabel("Time zone").fill("Mars/Olympus");
  await dialog.getByLabel("Aspect").selectOption("ada");
  await dialog.getByLabel("Text").fill("good morning");
  await everyLook(ana, "triggers-new");
  await dialog.getByRole("button", { name: "Set", exact: true }).click();
  // What was typed stays, and the broker says what is wrong with it.
  await expect(dialog.getByRole("alert")).toContainText("Mars/Olympus");
  await dialog.getByLabel("Time zone").fill("Europe/Berlin");
  await dialog.getByLabel("Name").press("Enter");
  await expect(dialog).toBeHidden();

  const morning = panel(ana, "morning");
  await expect(morning.getByText("0 8 * * 1-5, Europe/Berlin")).toBeVisible();
  await expect(morning.locator(".trigger-next li")).toHaveCount(5);
  await expect(morning.getByText("It has not been due yet.")).toBeVisible();
  await morning.getByRole("button", { name: "Fire now…" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Fire", exact: true }).click();
  const slots = morning.locator(".slots li");
  await expect(slots).toHaveCount(1);
  await expect(slots).toContainText("done");
  await expect(slots).toContainText("operator/ana");
  const history = await nexus.api<{ slots: { no: number; state: string; cause: unknown }[] }>(
    "GET",
    "triggers/morning/history",
  );
  expect(history.slots.map(({ no, state, cause }) => ({ no, state, cause }))).toEqual([
    { no: 1, state: "done", cause: { person: "operator/ana" } },
  ]);
  await everyLook(ana, "triggers-one");
  await slots.getByRole("link", { name: "conversation" }).click();
  await expect(ana.getByRole("log", { name: "Messages" })).toContainText("good morning");
});

test("the plan has every trigger in its order, and one that is paused is in it no more", async ({
  nexus,
  ana,
}) => {
  await nexus.online("ada", "bo");
  const work = { dispatch: { hand: "bo/count", input: "one two" } };
  await nexus.api("POST", "triggers", { name: "hourly", when: { every: { seconds: 3600 } }, do: work });
  await nexus.api("POST", "triggers", { name: "often", when: { every: { seconds: 1800 } }, do: work });
  await nexus.api("POST", "triggers", { name: "by-hand", when: "manual", do: work });
  await goTo(ana, "Triggers");
  await expect(row(ana, "often")).toBeVisible();
  await expect(ana.getByRole("table", { name: "Triggers" }).locator("tbody tr")).toContainText([
    "often",
    "hourly",
    "by-hand",
  ]);
  await everyLook(ana, "triggers");
  await ana.getByRole("link", { name: "Plan" }).click();
  const planned = ana.locator(".plan li");
  // In the first hour one is due twice and the other once.
  await expect(planned.nth(0)).toContainText("often");
  await expect(planned.filter({ hasText: "by-hand" })).toHaveCount(0);
  await everyLook(ana, "triggers-plan");
  await planned.filter({ hasText: "hourly" }).first().getByRole("button").click();
  const hourly = panel(ana, "hourly");
  await hourly.getByRole("button", { name: "Pause" }).click();
  await expect(planned.filter({ hasText: "hourly" })).toHaveCount(0);
  await expect(hourly.getByRole("button", { name: "Resume" })).toBeVisible();
  expect((await nexus.api<{ status: string }>("GET", "triggers/hourly")).status).toBe("paused");
  await hourly.getByRole("button", { name: "Resume" }).click();
  await expect(planned.filter({ hasText: "hourly" })).not.toHaveCount(0);
  await hourly.getByRole("button", { name: "Delete…" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await expect(planned.filter({ hasText: "hourly" })).toHaveCount(0);
  await ana.goto(`${nexus.url}/triggers/hourly`);
  await expect(ana.getByText("There is no trigger hourly.")).toBeVisible();
});

test("a viewer sees triggers and is offered nothing that changes them", async ({ nexus, page, ana }) => {
  const ask = { ask: { aspect: "ada", text: "hello" } };
  await nexus.api("POST", "triggers", { name: "hello", when: "manual", do: ask });
  await nexus.api("POST", "operators", { name: "vic", role: "viewer", token_sha256: "1".repeat(64) });
  await nexus.api("PUT", "operators/vic/password", { password: "correct horse battery" });
  await ana.context().clearCookies();
  await logIn(page, nexus, "vic");
  await page.goto(`${nexus.url}/triggers/hello`);
  await expect(panel(page, "hello").getByText("by hand alone")).toBeVisible();
  for (const name of ["New trigger", "Fire now…", "Pause", "Delete…"])
    await expect(page.getByRole("button", { name })).toHaveCount(0);
});

const newTrigger = (page: Page) => page.getByRole("dialog", { name: "New trigger" });
const hello = { ask: { aspect: "ada", text: "hello" } };

/** Opens the form and fills in what every trigger has. */
async function begin(ana: Page, name: string, when: string) {
  await goTo(ana, "Triggers");
  await ana.getByRole("button", { name: "New trigger" }).click();
  const dialog = newTrigger(ana);
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("When").selectOption(when);
  await dialog.getByLabel("Aspect").selectOption("ada");
  await dialog.getByLabel("Text").fill("What is new?");
  return dialog;
}

const set = (dialog: ReturnType<typeof newTrigger>) =>
  dialog.getByRole("button", { name: "Set", exact: true }).click();

async function definition(nexus: Nexus, name: string) {
  const { definition } = await nexus.api<{ definition: Record<string, unknown> }>("GET", `triggers/${name}`);
  return definition;
}

/** What GitHub sends; what the broker answers. */
async function push(nexus: Nexus, delivery: string, secret: string): Promise<number> {
  const body = '{"ref": "refs/heads/main"}';
  const { status } = await fetch(`${nexus.url}/hooks/pushed`, {
    method: "POST",
    body,
    headers: {
      "Content-Type": "application/json",
      "X-GitHub-Delivery": delivery,
      "X-GitHub-Event": "push",
      "X-Hub-Signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
    },
  });
  return status;
}

test("a webhook's secret is shown once, and what is signed with it is taken", async ({ nexus, ana }) => {
  await nexus.online("ada");
  const dialog = await begin(ana, "pushed", "webhook");
  await everyLook(ana, "triggers-new-webhook");
  await set(dialog);
  const made = ana.getByRole("dialog", { name: "The webhook of pushed" });
  await expect(made.getByText(`${nexus.url}/hooks/pushed`)).toBeVisible();
  const secret = await made.getByLabel("The secret").inputValue();
  expect(secret.length).toBeGreaterThan(15);
  await everyLook(ana, "triggers-webhook-made");
  expect(await push(nexus, "one", secret)).toBe(202);
  await made.getByRole("button", { name: "Close" }).click();
  await expect(made.getByRole("alert")).toContainText("You have not kept the secret");
  await made.getByRole("button", { name: "Close without it" }).click();
  await expect(panel(ana, "pushed").locator(".slots li")).toContainText("webhook one");
  await expect(ana.getByText(secret)).toHaveCount(0);
  expect((await definition(nexus, "pushed")).overlap).toBe("queue");

  // A change makes no other secret.
  await panel(ana, "pushed").getByRole("button", { name: "Change…" }).click();
  const change = ana.getByRole("dialog", { name: "Change pushed" });
  await change.getByLabel("Text").fill("What was pushed?");
  await change.getByRole("button", { name: "Change", exact: true }).click();
  await expect(change).toBeHidden();
  await expect(made).toHaveCount(0);

  await panel(ana, "pushed").getByRole("button", { name: "New secret…" }).click();
  const other = ana.getByRole("dialog", { name: "A new secret for pushed" });
  await other.getByLabel("The one before is good").selectOption("not any more");
  await everyLook(ana, "triggers-rotate");
  await other.getByRole("button", { name: "Make one" }).click();
  const next = await made.getByLabel("The secret").inputValue();
  expect(next).not.toBe(secret);
  expect(await push(nexus, "two", secret)).toBe(401);
  expect(await push(nexus, "three", next)).toBe(202);
});

test("a new secret is waited for: it is shown once", async ({ nexus, ana }) => {
  await nexus.online("ada");
  await nexus.api("POST", "triggers", { name: "pushed", when: { webhook: { preset: "github" } }, do: hello });
  // Behind a slow line: what the broker says of it comes when the test lets it.
  let arrive = () => {};
  await ana.routeWebSocket(/\/connect$/, (page) => {
    const broker = page.connectToServer();
    let asked = "";
    page.onMessage((frame) => {
      const { kind, id } = JSON.parse(frame.toString()) as { kind: string; id?: string };
      if (kind === "trigger.rotate") asked = id ?? "";
      broker.send(frame);
    });
    broker.onMessage((frame) => {
      const about = JSON.parse(frame.toString()) as { in_reply_to?: string };
      if (asked !== "" && about.in_reply_to === asked) arrive = () => page.send(frame);
      else page.send(frame);
    });
  });
  await ana.goto(`${nexus.url}/triggers/pushed`);
  await panel(ana, "pushed").getByRole("button", { name: "New secret…" }).click();
  const dialog = ana.getByRole("dialog", { name: "A new secret for pushed" });
  await dialog.getByRole("button", { name: "Make one" }).click();
  await expect(dialog.getByRole("button", { name: "Cancel" })).toBeDisabled();
  await ana.keyboard.press("Escape");
  await ana.keyboard.press("Escape");
  await ana.mouse.click(5, 5);
  await expect(dialog).toBeVisible();
  await expect(async () => {
    arrive();
    await expect(ana.getByLabel("The secret")).toBeVisible({ timeout: 500 });
  }).toPass();
});

test("a secret that the service makes is given in the form, now or later", async ({ nexus, ana }) => {
  await nexus.online("ada");
  const dialog = await begin(ana, "paid", "webhook");
  await dialog.getByRole("button", { name: "Stripe" }).click();
  await set(dialog);
  const made = ana.getByRole("dialog", { name: "The webhook of paid" });
  await expect(made).toContainText("until then every request is refused");
  await made.getByRole("button", { name: "Close" }).click();
  await expect(panel(ana, "paid").getByText("it has no secret yet")).toBeVisible();
  await panel(ana, "paid").getByRole("button", { name: "Change…" }).click();
  const change = ana.getByRole("dialog", { name: "Change paid" });
  await change.getByLabel("Secret").fill("short");
  await change.getByRole("button", { name: "Change", exact: true }).click();
  await expect(change.getByRole("alert")).toContainText("It is set, and has no new secret");
  await change.getByLabel("Secret").fill("whsec_0123456789abcdef");
  await change.getByRole("button", { name: "Change", exact: true }).click();
  await expect(made).toContainText("Its secret is known.");
  await made.getByRole("button", { name: "Close" }).click();
  await expect(panel(ana, "paid").getByText("it has no secret yet")).toHaveCount(0);
});

test("a trigger after a flow, and one of the log", async ({ nexus, ana }) => {
  await nexus.online("ada");
  const wait = { wait: { until: "2020-01-01T00:00:00Z" } };
  await nexus.api("PUT", "flows/greet", { id: "greet", steps: [{ id: "wait", do: wait }] });
  const after = await begin(ana, "greeted", "after");
  await expect(after.getByRole("button", { name: "Set", exact: true })).toBeDisabled();
  await after.getByRole("button", { name: "A flow", exact: true }).click();
  await after.getByLabel("Flow before it").selectOption("greet");
  await after.getByRole("button", { name: "Either way" }).click();
  await set(after);
  await expect(panel(ana, "greeted").getByText("after flow greet: both")).toBeVisible();
  expect((await definition(nexus, "greeted")).when).toEqual({ after: { flow: "greet", on: "both" } });

  const event = await begin(ana, "heard", "event");
  await event.getByLabel("Kinds").fill("message, trigger.put");
  await event.getByLabel("Of", { exact: true }).fill("operator/ana");
  await set(event);
  await expect(event.getByRole("alert")).toContainText("use `when.after` for those");
  await event.getByLabel("Kinds").fill("message, dispatch_ended");
  await set(event);
  await expect(panel(ana, "heard").getByText("on message, dispatch_ended of operator/ana")).toBeVisible();
});

test("a watch of an address with its policies; what is wrong is said beside it", async ({ nexus, ana }) => {
  await nexus.online("ada", "bo");
  await nexus.api("POST", "triggers", { name: "taken", when: "manual", do: hello });
  const dialog = await begin(ana, "taken", "watch");
  await expect(dialog.getByText("There is a trigger taken already")).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Set", exact: true })).toBeDisabled();
  await dialog.getByLabel("Name").fill("news");
  await dialog.getByLabel("Address").fill("news.example");
  await dialog.getByLabel("Looked at every").fill("15");
  await expect(dialog.getByText('"15" has no unit; write 15s, 15m, 15h or 15d')).toBeVisible();
  await dialog.getByLabel("Looked at every").fill("15m");
  await dialog.getByRole("button", { name: "Send work" }).click();
  await dialog.getByLabel("Hand").selectOption("bo/count");
  await dialog.getByLabel("Input (JSON)").fill('"{{ payload.url }}"');
  await dialog.getByText("More", { exact: true }).click();
  await expect(dialog.getByLabel("While the one before is at work")).toHaveValue("queue");
  await dialog.getByLabel("Slots that were missed").selectOption("all");
  await dialog.getByLabel("Caught up").fill("5");
  await dialog.getByLabel("Jitter").fill("2m");
  await dialog.getByLabel("Tried again").fill("2");
  await dialog.getByLabel("Wait before each").fill("10s, 1m");
  await dialog.getByLabel("It may take").fill("20m");
  await dialog.getByLabel("Tokens it may use").fill("5000");
  await dialog.getByLabel("Ends").fill("2039-01-01T00:00:00");
  await dialog.getByLabel("Description").fill("What is new there");
  await everyLook(ana, "triggers-new-more");
  await set(dialog);
  await expect(dialog.getByRole("alert")).toContainText('Address: "news.example" is none');
  await dialog.getByLabel("Address").fill("https://news.example/");
  await set(dialog);
  await expect(dialog).toBeHidden();
  const { expires_at, timezone, ...rest } = await definition(nexus, "news");
  expect(expires_at).toBeGreaterThan(Date.parse("2038-12-30"));
  expect(timezone).toBe(await ana.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone));
  expect(rest).toEqual({
    name: "news",
    description: "What is new there",
    when: { watch: { url: "https://news.example/", every_s: 900 } },
    do: { dispatch: { hand: "bo/count", input: "{{ payload.url }}", deadline_s: 1200 } },
    misfire: { all: 5 },
    overlap: "queue",
    jitter_s: 120,
    retry: { max: 2, backoff_s: [10, 60] },
    budget: { tokens: 5000 },
  });
});

test("a change keeps what the form does not show, and is not written over somebody else's", async ({
  nexus,
  ana,
}) => {
  await nexus.online("ada");
  const anchored = {
    name: "sweep",
    when: { every: { seconds: 5400, anchor: 1_700_000_000_123 } },
    do: hello,
    misfire: "skip",
    overlap: "allow",
    jitter_s: 7,
    retry: { max: 1, backoff_s: [30] },
    expires_at: 2_200_000_000_777,
  };
  await nexus.api("POST", "triggers", anchored);
  await ana.goto(`${nexus.url}/triggers/sweep`);
  await panel(ana, "sweep").getByRole("button", { name: "Change…" }).click();
  const change = ana.getByRole("dialog", { name: "Change sweep" });
  await expect(change.getByLabel("How often")).toHaveValue("90m");
  await expect(change.getByText("Once you have changed it, it acts as you.")).toBeVisible();
  await change.getByLabel("Text").fill("hello again");
  await everyLook(ana, "triggers-change");
  await change.getByRole("button", { name: "Change", exact: true }).click();
  await expect(change).toBeHidden();
  const again = { ask: { aspect: "ada", text: "hello again" } };
  expect(await definition(nexus, "sweep")).toEqual({ ...anchored, do: again });

  await panel(ana, "sweep").getByRole("button", { name: "Change…" }).click();
  await change.getByLabel("How often").fill("2h");
  await nexus.api("POST", "triggers", { ...anchored, jitter_s: 9 });
  await change.getByRole("button", { name: "Change", exact: true }).click();
  await expect(change.getByRole("alert")).toContainText("has changed trigger sweep meanwhile");
  expect((await definition(nexus, "sweep")).jitter_s).toBe(9);
});

test.describe("the week", () => {
  test.use({ timezoneId: "Europe/Berlin" });

  test("has each slot at its day and hour, and what is due often gathered", async ({ nexus, ana }) => {
    await nexus.online("ada");
    const make = (name: string, when: unknown, more = {}) =>
      nexus.api("POST", "triggers", { name, when, do: hello, ...more });
    const timezone = "Europe/Berlin";
    await make("morning", { cron: "0 8 * * *" }, { timezone });
    await make("thrice", { cron: "0,20,40 8 * * *" }, { timezone });
    await make("evening", { cron: "30 18 * * *" }, { timezone });
    await make("each-minute", { every: { seconds: 60 } });
    await make("by-hand", "manual");
    await goTo(ana, "Triggers");
    await ana.getByRole("link", { name: "Week", exact: true }).click();
    const week = ana.getByRole("group", { name: "The next seven days" });
    const days = week.getByRole("region");
    await expect(days).toHaveCount(7);
    await expect(days.nth(0)).toContainText("Today");
    const tomorrow = days.nth(1);
    // Its minutes are fewer or more where the clock is set tomorrow.
    await expect(tomorrow.getByRole("link")).toHaveText([
      /^00:0\d each-minute every 1 min · 1\s(380|440|500)\stimes$/,
      "08:00 morning",
      "08:00 thrice every 20 min · 3 times",
      "18:30 evening",
    ]);
    await expect(week.getByText("by-hand")).toHaveCount(0);
    await everyLook(ana, "triggers-week");

    // Arrows move, Enter opens; the week stays beside what is open.
    await tomorrow.getByRole("link", { name: "evening" }).focus();
    await ana.keyboard.press("ArrowUp");
    await expect(tomorrow.getByRole("link", { name: "thrice" })).toBeFocused();
    await ana.keyboard.press("ArrowRight");
    await ana.keyboard.press("ArrowUp");
    await expect(days.nth(2).getByRole("link", { name: "morning" })).toBeFocused();
    await ana.keyboard.press("Enter");
    await expect(panel(ana, "morning").getByText("0 8 * * *, Europe/Berlin")).toBeVisible();
    await everyLook(ana, "triggers-week-open");
    await panel(ana, "morning").getByRole("button", { name: "Pause" }).click();
    await expect(week.getByRole("link", { name: "morning" })).toHaveCount(0);
    await ana.keyboard.press("Escape");
    await expect(panel(ana, "morning")).toHaveCount(0);
    await expect(days).toHaveCount(7);
  });
});
