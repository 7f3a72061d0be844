/** Chat: streaming, mentions, files, reactions, receipts, search, and what survives. */
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { accessible, everyLook, expect, goTo, type Page, picture, test } from "./lib/test";

const messages = (page: Page) => page.getByRole("log", { name: "Messages" });
const write = (page: Page) => page.getByRole("textbox", { name: "Message", exact: true });

async function begin(page: Page, text: string): Promise<void> {
  await goTo(page, "Chat");
  await page.getByRole("button", { name: "New thread" }).click();
  await write(page).fill(text);
  await write(page).press("Enter");
  await expect(page).toHaveURL(/\/chat\/[0-9a-f-]{36}$/);
}

test("an empty chat says what to do", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Chat");
  await expect(ana.getByText("Nobody has said anything yet.")).toBeVisible();
  await everyLook(ana, "chat-empty");
});

test("a reply streams, with its tools folded and its changes shown, and becomes a message", async ({
  ana,
  nexus,
}) => {
  await nexus.online("ada", "bo");
  await begin(ana, "@ada change the notes");
  const turn = ana.getByRole("article", { name: "ada is at work" });
  await expect(turn).toContainText("I write the notes first");
  await expect(turn.locator("details")).toHaveCount(3);
  await expect(turn.getByText("+The hub decides who receives")).toBeVisible();
  await everyLook(ana, "chat-streaming");
  nexus.release("ada");
  await expect(messages(ana)).toContainText("The notes are changed.");
  await expect(turn).toBeHidden();
  await expect(messages(ana)).toContainText("answered by ada");
  await messages(ana).getByText("used tools 3 times").click();
  await expect(messages(ana).getByText("+The hub decides who receives")).toBeVisible();
  await picture(ana, "chat-done");
});

test("a turn is stopped", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await begin(ana, "@ada wait for me");
  const turn = ana.getByRole("article", { name: "ada is at work" });
  await expect(turn).toContainText("I begin, and I wait.");
  await turn.getByRole("button", { name: "Stop" }).click();
  await expect(messages(ana)).toContainText("cancelled by operator/ana: stopped in the dashboard");
  await expect(messages(ana)).toContainText("given up by ada");
});

test("a mention is completed by keys", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Chat");
  await ana.keyboard.press("n");
  await expect(write(ana)).toBeFocused();
  await write(ana).pressSequentially("@");
  const names = ana.getByRole("listbox", { name: "Whom to mention" });
  await expect(names.getByRole("option")).toHaveText([/@all/, /@ada/, /@bo/]);
  await picture(ana, "chat-mention");
  await accessible(ana);
  await write(ana).press("ArrowDown");
  await write(ana).press("ArrowDown");
  await write(ana).press("Enter");
  await expect(write(ana)).toHaveValue("@bo ");
  await write(ana).pressSequentially("are you there?");
  await write(ana).press("Enter");
  await expect(messages(ana)).toContainText("bo heard: @bo are you there?");
});

test("a file is attached and fetched", async ({ ana, nexus }, { outputDir }) => {
  await nexus.online("ada", "bo");
  await goTo(ana, "Chat");
  await ana.getByRole("button", { name: "New thread" }).click();
  const bytes = Buffer.from("one, two, three\n".repeat(2_000));
  await ana
    .getByLabel("Files to attach")
    .setInputFiles({ name: "numbers.csv", mimeType: "text/csv", buffer: bytes });
  await expect(ana.getByText("numbers.csv 31.3 KiB")).toBeVisible();
  await write(ana).fill("@ada here are the numbers");
  await write(ana).press("Enter");
  // The answer moves what is above it.
  await expect(messages(ana)).toContainText("ada heard");
  const link = messages(ana).getByRole("link", { name: "numbers.csv" });
  const [download] = await Promise.all([ana.waitForEvent("download"), link.click()]);
  expect(download.suggestedFilename()).toBe("numbers.csv");
  const path = `${outputDir}-numbers.csv`;
  await download.saveAs(path);
  expect((await readFile(path)).equals(bytes)).toBe(true);
  writeFileSync(path, "");
});

test("a reaction comes and goes, and others see it", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await begin(ana, "@ada hello");
  const heard = messages(ana).getByRole("article", { name: "ada says" });
  await expect(heard).toContainText("ada heard: @ada hello");
  await heard.hover();
  await heard.getByRole("button", { name: "React" }).click();
  await ana.getByRole("menuitem", { name: "👍" }).click();
  const sign = heard.getByRole("button", { name: "👍: ana" });
  await expect(sign).toHaveAttribute("aria-pressed", "true");
  const id = await heard.getAttribute("data-message");
  const { reactions } = await nexus.api<{ reactions: unknown }>("GET", `messages/${id}`);
  expect(reactions).toEqual([{ emoji: "👍", by: ["operator/ana"] }]);
  await sign.click();
  await expect(sign).toBeHidden();
});

test("a draft survives a reload, and a thread is renamed and found", async ({ ana, nexus }) => {
  await nexus.online("ada", "bo");
  await begin(ana, "@ada where is the heliotrope?");
  await expect(messages(ana)).toContainText("ada heard");
  await write(ana).fill("half a sent");
  await ana.reload();
  await expect(write(ana)).toHaveValue("half a sent");
  await ana.getByTitle("Change the title").click();
  await ana.getByLabel("Title", { exact: true }).fill("Flowers");
  await ana.keyboard.press("Enter");
  await expect(ana.getByRole("list", { name: "Threads" }).getByText("Flowers")).toBeVisible();
  await write(ana).blur();
  await ana.keyboard.press("/");
  await ana.keyboard.type("heliotrope");
  const found = ana.getByRole("region", { name: "Messages that match" });
  await expect(found.locator("mark").first()).toHaveText("heliotrope");
  await picture(ana, "chat-search");
  await found.getByRole("link").first().click();
  await expect(ana.locator(".message-marked")).toContainText("heliotrope");
});

test("five thousand messages are a few rows in the page", async ({ ana, nexus }) => {
  test.slow();
  await nexus.online("ada", "bo");
  const say = (n: number, thread?: string) =>
    nexus.api<{ thread: string }>("POST", "messages", {
      content: `line ${n}`,
      to: ["operator/ana"],
      ...(thread && { thread }),
    });
  const first = await say(0);
  // Fifty at once share a write to the disk; which of them is first does not matter.
  for (let at = 1; at < 4_999; at += 50) {
    const some = Array.from({ length: Math.min(50, 4_999 - at) }, (_, n) => at + n);
    await Promise.all(some.map((n) => say(n, first.thread)));
  }
  await say(4_999, first.thread);
  await ana.goto(`${nexus.url}/chat/${first.thread}`);
  await expect(messages(ana).getByText("line 4999", { exact: true })).toBeVisible();
  // Fifty pages come one after another, each when the one before has been scrolled to its top.
  await messages(ana).evaluate(async (element) => {
    const seen = () => [...element.querySelectorAll("p")].some((line) => line.textContent === "line 0");
    while (!seen()) {
      element.scrollTop = 0;
      await new Promise(requestAnimationFrame);
    }
  });
  await expect(messages(ana).getByText("line 0", { exact: true })).toBeVisible();
  expect(await ana.locator(".messages-row").count()).toBeLessThan(80);
  await ana.getByRole("button", { name: "To the end" }).click();
  await expect(messages(ana).getByText("line 4999", { exact: true })).toBeVisible();
});
