// How a crash stands: open, or back, and how its last restore went.

import type { Crash } from '../../bindings/api';
import { t } from '../../language';

export type Standing = 'open' | 'refused' | 'failed' | 'restored' | 'resumed';

export function standing(crash: Crash): Standing {
  if (crash.resolved) return crash.restore?.ok ? 'restored' : 'resumed';
  if (crash.restore?.refused) return 'refused';
  return crash.restore && !crash.restore.ok ? 'failed' : 'open';
}

export const STANDING_WORDS: Record<Standing, string> = {
  open: t('Open'),
  refused: t('Restore refused'),
  failed: t('Restore failed'),
  restored: t('Restored'),
  resumed: t('Resumed'),
};

export const STANDING_MEANINGS: Record<Standing, string> = {
  open: t('Nobody has restored or resumed it'),
  refused: t('Open; the last restore was refused'),
  failed: t('Open; the last restore failed'),
  restored: t('The chat goes on, restored by SHIM'),
  resumed: t('The chat goes on, resumed without SHIM'),
};

/** The tools that were in flight, such as `Bash, Edit`. */
export function toolsInFlight(crash: Crash): string {
  return crash.in_flight.map((call) => call.tool).join(', ');
}

/** Newest first. */
export function newestFirst(crashes: Crash[]): Crash[] {
  return [...crashes].sort((a, b) => Date.parse(b.happened_at) - Date.parse(a.happened_at) || b.id - a.id);
}
