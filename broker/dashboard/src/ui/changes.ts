import { structuredPatch } from "diff";

/** What changes between two texts, as a unified diff without a file's name. */
export function changes(before: string, after: string, context = 3): string {
  const { hunks } = structuredPatch("", "", before, after, "", "", { context });
  return hunks
    .map(({ oldStart, oldLines, newStart, newLines, lines }) =>
      [`@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`, ...lines].join("\n"),
    )
    .join("\n");
}
