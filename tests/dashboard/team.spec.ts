/** Team: the roster, the picture, and an aspect that is held off. */
import { everyLook, expect, goTo, test } from "./lib/test";

test("who is here, who talks to whom, and one of them in detail", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Team");
  const roster = ana.getByRole("table", { name: "Roster" });
  await expect(roster.getByRole("row", { name: /ada/ })).toContainText("online");
  await nexus.api("POST", "messages", { content: "@ada have bo count" });
  const drawn = ana.getByRole("img", { name: /admin to ada: 1 messages/ });
  await expect(drawn).toHaveAccessibleName(/ada to bo: 0 messages, 1 dispatches/);
  await everyLook(ana, "team");
  await roster.getByRole("row", { name: /^ada/ }).click();
  const panel = ana.getByRole("complementary", { name: "ada" });
  await expect(panel).toContainText("lead: gets what is addressed to nobody");
  await expect(panel).toContainText("bo counted.");
  await expect(panel.getByText("thread,").first()).toBeVisible();
  await everyLook(ana, "team-aspect");
});

test("an aspect is held off and released", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Team");
  await ana.getByRole("row", { name: /^bo/ }).click();
  const panel = ana.getByRole("complementary", { name: "bo" });
  await panel.getByRole("button", { name: "Hold off" }).click();
  const dialog = ana.getByRole("dialog", { name: "Hold off: bo" });
  await expect(dialog.getByRole("button", { name: "Hold off" })).toBeDisabled();
  await dialog.getByLabel("Why").fill("it counts wrongly");
  await dialog.getByRole("button", { name: "Hold off" }).click();
  await expect(panel).toContainText("held by ana");
  await expect(ana.getByRole("row", { name: /^bo/ })).toContainText("offline");
  await panel.getByRole("button", { name: "Release" }).click();
  await expect(panel.getByRole("button", { name: "Hold off" })).toBeVisible();
});

test.describe("with nobody", () => {
  test.use({ options: { team: null } });

  test("an empty team says what to do", async ({ ana }) => {
    await goTo(ana, "Team");
    await expect(ana.getByText("Nobody is on the team yet.")).toBeVisible();
    await everyLook(ana, "team-empty");
  });
});
