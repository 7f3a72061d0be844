/** One picture of the dashboard as it is: `node picture.mjs URL TOKEN THREAD FILE`. For `scripts/pictures`. */
import { chromium } from "@playwright/test";

const [url, token, thread, file] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.NEXUS_CHROMIUM ?? "/usr/bin/chromium",
  args: [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), "--disable-background-networking"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "light" });
  await page.goto(`${url}/chat/${thread}`);
  await page.getByRole("button", { name: "With an API token" }).click();
  await page.getByLabel("API token").fill(token);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.getByText("confirmed").last().waitFor();
  await page.screenshot({ path: file, animations: "disabled" });
} finally {
  await browser.close();
}
