// Where the rows of a long list stand: all equally high, but for one that may be open.

export interface Layout {
  count: number;
  /** Of one row, in pixels. */
  height: number;
  opened: number | null;
  /** Pixels by which the open row is higher. */
  extra: number;
}

/** Pixels from the list's top to a row's; of `count`, the height of all. */
export function topOf({ height, opened, extra }: Layout, index: number): number {
  return index * height + (opened !== null && index > opened ? extra : 0);
}

/** The row at so many pixels below the list's top; the nearest where none is. */
export function rowAt(layout: Layout, y: number): number {
  const { count, height, opened, extra } = layout;
  const below = opened !== null && y >= topOf(layout, opened) + height;
  const index = !below ? Math.floor(y / height) : y < topOf(layout, opened + 1) ? opened : Math.floor((y - extra) / height);
  return Math.min(Math.max(index, 0), Math.max(0, count - 1));
}

/** The indexes from `first` to `last`, and those of `also`, in their order. */
export function drawnRows(first: number, last: number, also: (number | null)[]): number[] {
  const range = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);
  const outside = also.filter((index): index is number => index !== null && (index < first || index > last));
  return outside.length === 0 ? range : [...new Set([...range, ...outside])].sort((a, b) => a - b);
}
