/** A long list of which only what is seen is in the page. Rows measure themselves. */
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type VirtualizerOptions,
} from "@tanstack/virtual-core";
import { useEffect, useLayoutEffect, useReducer, useState } from "preact/hooks";

type Options = Pick<
  VirtualizerOptions<HTMLElement, HTMLElement>,
  "count" | "getScrollElement" | "estimateSize" | "getItemKey" | "overscan" | "paddingEnd" | "paddingStart"
>;

export function useVirtual(options: Options): Virtualizer<HTMLElement, HTMLElement> {
  const [, again] = useReducer((turn: number) => turn + 1, 0);
  const whole: VirtualizerOptions<HTMLElement, HTMLElement> = {
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    ...options,
    onChange: () => again(undefined),
  };
  const [virtual] = useState(() => new Virtualizer(whole));
  virtual.setOptions(whole);
  useEffect(() => virtual._didMount(), [virtual]);
  useLayoutEffect(() => virtual._willUpdate());
  return virtual;
}
