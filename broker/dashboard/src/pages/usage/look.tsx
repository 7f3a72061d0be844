/** How a series is painted: a colour of its own lightness, and lines or dots over it. */

export type Look = "plain" | "rising" | "dots" | "across";

const COLOURS: Record<Look, string> = {
  plain: "--series-plain",
  rising: "--series-rising",
  dots: "--series-dots",
  across: "--series-across",
};

/** A tile of the pattern, in a square of this many pixels. */
const TILE = 8;
const LINES: Record<Exclude<Look, "plain">, string> = {
  rising: "M-2 10 10 -2M-2 2 2 -2M6 10 10 6",
  dots: "M2 2h1.6v1.6h-1.6zM6 6h1.6v1.6h-1.6z",
  across: "M0 2h8M0 6h8",
};

export function brush(
  ctx: CanvasRenderingContext2D,
  look: Look,
  colour: (name: string) => string,
): CanvasPattern | string {
  const base = colour(COLOURS[look]);
  if (look === "plain") return base;
  const ratio = window.devicePixelRatio;
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(TILE * ratio);
  const draw = tile.getContext("2d");
  if (!draw) return base;
  draw.scale(tile.width / TILE, tile.height / TILE);
  draw.fillStyle = base;
  draw.fillRect(0, 0, TILE, TILE);
  draw.strokeStyle = draw.fillStyle = colour("--series-lines");
  if (look === "dots") draw.fill(new Path2D(LINES.dots));
  else draw.stroke(new Path2D(LINES[look]));
  return ctx.createPattern(tile, "repeat") ?? base;
}

export function Swatch({ look }: { look: Look }) {
  return (
    <svg class={`swatch swatch-${look}`} width="16" height="12" viewBox="0 0 16 12" aria-hidden="true">
      <rect class="swatch-base" width="16" height="12" />
      {look !== "plain" && (
        <>
          <path class={look === "dots" ? "swatch-dots" : "swatch-lines"} d={LINES[look]} />
          <path
            class={look === "dots" ? "swatch-dots" : "swatch-lines"}
            d={LINES[look]}
            transform="translate(8 0)"
          />
        </>
      )}
    </svg>
  );
}
