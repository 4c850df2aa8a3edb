// How a crash stands: open, or back, and how its last restore went.

import type { Crash } from '../../bindings/api';

export type Standing = 'open' | 'refused' | 'failed' | 'restored' | 'resumed';

export function standing(crash: Crash): Standing {
  if (crash.resolved) return crash.restore?.ok ? 'restored' : 'resumed';
  if (crash.restore?.refused) return 'refused';
  return crash.restore && !crash.restore.ok ? 'failed' : 'open';
}

export const STANDING_WORDS: Record<Standing, string> = {
  open: 'Open',
  refused: 'Restore refused',
  failed: 'Restore failed',
  restored: 'Restored',
  resumed: 'Resumed',
};

export const STANDING_MEANINGS: Record<Standing, string> = {
  open: 'Nobody has restored or resumed it',
  refused: 'Open; the last restore was refused',
  failed: 'Open; the last restore failed',
  restored: 'The chat goes on, restored by SHIM',
  resumed: 'The chat goes on, resumed without SHIM',
};

/** The tools that were in flight, such as `Bash, Edit`. */
export function toolsInFlight(crash: Crash): string {
  return crash.in_flight.map((call) => call.tool).join(', ');
}

/** Newest first. */
export function newestFirst(crashes: Crash[]): Crash[] {
  return [...crashes].sort((a, b) => Date.parse(b.happened_at) - Date.parse(a.happened_at) || b.id - a.id);
}
