// Pictures of the recorded world, as the engine would draw them.

import type { Chart, ChartRow, Crash } from '../bindings/api';
import type { EvidencePoint } from '../bindings/core';

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

/** Evidence between its boundaries. */
export function evidenceLines(course: EvidencePoint[], confirm: number, rollBack: number): Chart {
  const rows = course.map(({ at, n, means, better_e, worse_e }): ChartRow => ({ label: at, values: [better_e, worse_e, ...n, ...means] }));
  const series = ['better', 'worse', 'old_outcomes', 'new_outcomes', 'old_mean', 'new_mean'];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${2 * HEIGHT}">${line(course.map(({ better_e }) => better_e), confirm, 0, 1)}${line(course.map(({ worse_e }) => worse_e), rollBack, HEIGHT, 2)}</svg>`;
  return { title: 'Evidence', svg, unit: 'evidence, outcomes, means', series, rows };
}

function line(values: number[], boundary: number, top: number, colour: number): string {
  const most = Math.log(boundary) * 1.3;
  const least = Math.log(0.05);
  const y = (value: number) => top + HEIGHT - ((Math.log(Math.max(value, 0.05)) - least) / (most - least)) * (HEIGHT - 10);
  const points = values.map((value, index) => `${(index / Math.max(1, values.length - 1)) * WIDTH},${y(value).toFixed(1)}`);
  const limit = y(boundary).toFixed(1);
  return (
    `<line x1="0" x2="${WIDTH}" y1="${limit}" y2="${limit}" stroke="var(--text-muted)"/><text x="6" y="${Number(limit) - 5}" font-size="12" fill="var(--text-muted)">${boundary}</text>` +
    `<polyline points="${points.join(' ')}" fill="none" stroke="var(--chart-${colour})" stroke-width="2"/>`
  );
}
