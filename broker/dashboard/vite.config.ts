/** How the dashboard is built into `dist`, which the broker embeds; and served while one works on it. */
import { brotliCompressSync, constants } from "node:zlib";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";

/** Below this a compressed copy saves less than its own headers. */
const WORTH_COMPRESSING = 512;

/** Puts a brotli copy beside each file, so that the broker compresses nothing. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const [fileName, part] of Object.entries(bundle)) {
        const bytes = Buffer.from(part.type === "chunk" ? part.code : part.source);
        if (bytes.length < WORTH_COMPRESSING) continue;
        const source = brotliCompressSync(bytes, {
          params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
        });
        this.emitFile({ type: "asset", fileName: `${fileName}.br`, source });
      }
    },
  };
}

/** A broker to work against: `NEXUS_URL=http://127.0.0.1:7888 npm run dev`. */
const broker = process.env.NEXUS_URL ?? "http://127.0.0.1:7888";
/** The broker serves its own pages alone, so what comes from here has to look like one of them. */
const headers = { Origin: broker };

export default defineConfig({
  plugins: [compressed()],
  build: {
    target: "es2022",
    // Nothing inline: the policy of the page would not let it be used.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/api": { target: broker, changeOrigin: true, headers },
      "/connect": { target: broker, ws: true, changeOrigin: true, headers },
    },
  },
  test: { include: ["src/**/*.test.ts"] },
});
