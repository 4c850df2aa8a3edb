// Pictures of the recorded world, as the engine would draw them.

import type { Chart, ChartRow, Crash } from '../bindings/api';

const DAY_MS = 86_400_000;
const WIDTH = 720;
const HEIGHT = 200;

/** Crashes by day and kind. */
export function crashChart(crashes: Crash[], days: number, now: number): Chart {
  const series = [...new Set(crashes.map((crash) => crash.kind))].sort();
  const label = (at: number) => new Date(at).toISOString().slice(0, 10);
  const rows = Array.from({ length: days }, (_, index): ChartRow => {
    const day = label(now - (days - 1 - index) * DAY_MS);
    const died = crashes.filter((crash) => crash.happened_at.startsWith(day));
    return { label: day, values: series.map((kind) => died.filter((crash) => crash.kind === kind).length) };
  });
  return { title: 'Crashes by day', svg: bars(rows), unit: 'crashes', series, rows };
}

/** Memory and context that grow. */
export function signalsChart(minutes: number, now: number): Chart {
  const rows = Array.from({ length: 30 }, (_, index): ChartRow => ({
    label: new Date(now - (29 - index) * minutes * 2000).toISOString(),
    values: [380 + index * 4, 20 + index],
  }));
  return { title: 'Memory and context', svg: bars(rows), unit: 'MB, % of the context', series: ['memory', 'context'], rows };
}

function bars(rows: ChartRow[]): string {
  const height = (row: ChartRow) => row.values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const most = Math.max(1, ...rows.map(height));
  const wide = WIDTH / Math.max(1, rows.length);
  const one = (row: ChartRow, index: number) => {
    const tall = (height(row) / most) * (HEIGHT - 20);
    return `<rect x="${index * wide + 1}" y="${HEIGHT - tall}" width="${wide - 2}" height="${tall}" fill="var(--chart-1)"/>`;
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}">${rows.map(one).join('')}</svg>`;
}
