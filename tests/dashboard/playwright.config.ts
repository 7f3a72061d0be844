/** The dashboard in a real Chromium, against the real broker and real agents. Screenshots go to target/dashboard. */
import { defineConfig } from "@playwright/test";
import { repository } from "./lib/nexus";

const asRoot = process.getuid?.() === 0;

export default defineConfig({
  testDir: ".",
  testMatch: "*.spec.ts",
  outputDir: `${repository}/target/dashboard/failed`,
  // Broker, agents and a browser to each: two at a time are enough for two cores.
  workers: 2,
  // A machine of others may stall; what passes only the second time is named in the summary.
  retries: process.env.CI ? 1 : 0,
  // Only a defect makes a test wait so long.
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 800 },
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.NEXUS_CHROMIUM ?? "/usr/bin/chromium",
      // Its sandbox needs a user who is not root.
      args: [
        ...(asRoot ? ["--no-sandbox"] : []),
        "--disable-background-networking",
        "--disable-component-update",
      ],
    },
  },
});
