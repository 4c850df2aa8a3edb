// The newest crashes and restores, as what happened when.

import type { Crash } from '../../bindings/api';

export type Happening = { kind: 'crash' | 'restore'; at: string; crash: Crash };

export const DAYS = 7;
const DAY_MS = 86_400_000;

/** Of the last days, the newest first. A crash carries the receipt of its last restore alone. */
export function lately(crashes: Crash[], now: number): Happening[] {
  const restores = crashes.flatMap((crash) => (crash.restore === null ? [] : [{ kind: 'restore' as const, at: crash.restore.at, crash }]));
  const deaths = crashes.map((crash) => ({ kind: 'crash' as const, at: crash.happened_at, crash }));
  return [...deaths, ...restores]
    .filter(({ at }) => now - Date.parse(at) <= DAYS * DAY_MS)
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}
