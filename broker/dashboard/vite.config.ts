/** How the dashboard is built into `dist`, which the broker embeds; and served while one works on it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";

/** Below this a compressed copy saves less than its own headers. */
const WORTH_COMPRESSING = 512;

/** Puts a brotli copy beside each file once it is written, as it is served; so the broker compresses nothing. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir = "dist" }, bundle) {
      for (const fileName of Object.keys(bundle)) {
        const path = join(dir, fileName);
        const bytes = readFileSync(path);
        if (bytes.length < WORTH_COMPRESSING) continue;
        const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
      }
    },
  };
}

/** A broker to work against: `NEXUS_URL=http://127.0.0.1:7888 npm run dev`. */
const broker = process.env.NEXUS_URL ?? "http://127.0.0.1:7888";
/** The broker serves its own pages alone, so what comes from here has to look like one of them. */
const headers = { Origin: broker };

/**
 * What many pages share is one file with what all need, not twenty of a few hundred bytes each. Not what brings something large
 * along that a page may do without: Markdown, comparing, long lists.
 */
const SHARED = /\/src\/(?:link|ui)\/(?!changes|markdown|turn|virtual)/;

export default defineConfig({
  plugins: [compressed()],
  build: {
    target: "es2022",
    // Nothing inline: the policy of the page would not let it be used.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "ui", test: SHARED, minShareCount: 2 }] } },
    },
  },
  server: {
    proxy: {
      "/api": { target: broker, changeOrigin: true, headers },
      "/connect": { target: broker, ws: true, changeOrigin: true, headers },
    },
  },
  // A machine that is busy elsewhere takes longer for what is large on purpose.
  test: { include: ["src/**/*.test.ts"], testTimeout: 60_000 },
});
