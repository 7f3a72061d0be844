/** Alerts: the worst first, live, acknowledged by keyboard and by click; what is over; a viewer; a phone. */
import { Aspect } from "./lib/aspect";
import { type Page, PASSWORD, everyLook, expect, goTo, logIn, picture, test } from "./lib/test";

const entry = (page: Page) =>
  page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: /^Alerts/ });
const fresh = (page: Page) => page.getByRole("region", { name: "Nobody has seen these yet" });
const seen = (page: Page) => page.getByRole("region", { name: "Seen, and not over" });
const SESSION = "01990000-0000-7000-8000-000000000001";

test("with nothing wrong it says what would be here", async ({ ana }) => {
  await ana.keyboard.press("g");
  await ana.keyboard.press("n");
  await expect(ana.getByText("Nothing wants your attention.")).toBeVisible();
  await expect(entry(ana)).toHaveAccessibleName("Alerts");
  await ana.keyboard.press("o");
  await expect(ana.getByText("There has been no alert yet.")).toBeVisible();
  await everyLook(ana, "alerts-none");
});

test.describe("with somebody missing", () => {
  test.use({ options: { settings: { expected_roster: "ada,cy", expected_grace_s: "0" } } });

  test("the worst stands first, and what is acknowledged is seen or over", async ({ nexus, ana }) => {
    await goTo(ana, "Alerts");
    await expect(fresh(ana).getByRole("listitem")).toHaveCount(1);
    await expect(fresh(ana)).toContainText(/warning\s*aspect missing\s*cy/);
    await expect(fresh(ana).getByRole("link", { name: "Look at cy" })).toHaveAttribute("href", "/team/cy");
    const moth = await Aspect.join(nexus, "moth");
    await moth.ask("session.stuck", { session: SESSION, reason: "its model refuses the summary" });
    await expect(fresh(ana).getByRole("listitem")).toHaveCount(2);
    await expect(fresh(ana).getByRole("listitem").first()).toContainText("its model refuses the summary");
    await expect(entry(ana)).toHaveAccessibleName(/2 alerts nobody has acknowledged/);
    await everyLook(ana, "alerts");

    // An event is over with it; a condition stays until it is.
    await ana.keyboard.press("j");
    await expect(fresh(ana).getByRole("listitem").first()).toBeFocused();
    await ana.keyboard.press("a");
    await expect(fresh(ana).getByRole("listitem")).toHaveCount(1);
    await expect(fresh(ana)).not.toContainText("session stuck");
    await fresh(ana)
      .getByRole("button", { name: /^Acknowledge/ })
      .click();
    await expect(seen(ana)).toContainText("seen by ana");
    await expect(fresh(ana)).toHaveCount(0);
    await expect(entry(ana)).toHaveAccessibleName("Alerts");
    const { alerts } = await nexus.api<{ alerts: { kind: string; acked_by?: string }[] }>("GET", "alerts");
    expect(alerts.map(({ kind, acked_by }) => [kind, acked_by])).toEqual([
      ["aspect_missing", "operator/ana"],
    ]);

    await ana.getByRole("link", { name: "All", exact: true }).click();
    const all = ana.getByRole("region", { name: "All alerts" }).getByRole("listitem");
    await expect(all.filter({ hasText: "Look at cy" })).toHaveCount(1);
    await expect(all.filter({ hasText: "session stuck" })).toContainText(/over.*seen by ana/s);
    await everyLook(ana, "alerts-all");
    // It comes while one looks, again and counted.
    await moth.ask("session.stuck", { session: SESSION, reason: "its model refuses again" });
    await expect(all.filter({ hasText: "session stuck" })).toContainText("2 times");
    await all.getByRole("link", { name: "Look at cy" }).click();
    await expect(ana.getByText("There is no aspect cy here.")).toBeVisible();
    moth.leave();
  });

  test("a viewer sees them and is offered no acknowledgement; a phone says how many", async ({
    nexus,
    page,
    ana,
  }) => {
    await nexus.api("POST", "operators", { name: "vera", role: "viewer", token_sha256: "1".repeat(64) });
    await nexus.api("PUT", "operators/vera/password", { password: PASSWORD });
    await ana.context().clearCookies();
    await logIn(page, nexus, "vera");
    await goTo(page, "Alerts");
    await expect(fresh(page)).toContainText("aspect missing");
    await expect(page.getByRole("main").getByRole("button")).toHaveCount(0);
    await page.setViewportSize({ width: 390, height: 844 });
    await expect(page.getByRole("button", { name: /^More/ })).toContainText(
      "1 alerts nobody has acknowledged",
    );
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    expect(wide, "nothing stands out over the side").toBe(false);
    await picture(page, "alerts-viewer");
  });
});
