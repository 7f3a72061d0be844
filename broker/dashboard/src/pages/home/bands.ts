/** Where the parts of the home page stand: bands below each other, each of two columns or of one. Pure. */
import type { HomeWidget } from "../../wire/http";

export interface Placed {
  /** Its place in the layout, which tells it apart. */
  at: number;
  widget: HomeWidget;
}

/** One part; or several numbers, which stand beside each other. */
export type Cell = readonly Placed[];

export interface Band {
  /** Over both columns; its parts are in `wide`. */
  full: boolean;
  wide: readonly Cell[];
  narrow: readonly Cell[];
}

export function bandsOf(widgets: readonly HomeWidget[]): Band[] {
  const bands: { full: boolean; wide: Placed[][]; narrow: Placed[][] }[] = [];
  widgets.forEach((widget, at) => {
    const full = widget.width === "full";
    let band = bands.at(-1);
    if (band?.full !== full) {
      band = { full, wide: [], narrow: [] };
      bands.push(band);
    }
    const column = widget.width === "narrow" ? band.narrow : band.wide;
    const before = column.at(-1);
    if (widget.kind === "stat" && before?.[0]?.widget.kind === "stat") before.push({ at, widget });
    else column.push([{ at, widget }]);
  });
  return bands;
}
