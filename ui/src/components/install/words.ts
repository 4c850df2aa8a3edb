// What can be installed, in words.

import type { Offer, Outcome, What } from '../../bindings/api';
import { t } from '../../language';
import { CLIENT_NAMES } from '../../words';

export const WHAT_WORDS: Record<What, string> = {
  hooks: t('Hooks'),
  mcp: t('MCP'),
  service: t('Service'),
};

export const WHAT_MEANINGS: Record<What, string> = {
  hooks: t('Clients say themselves when a chat starts, compacts, stops and ends; a checkpoint stands before each risky call.'),
  mcp: t('The model in a chat can ask what was cut and take checkpoints.'),
  service: t('The engine runs from login on, with or without the tray.'),
};

export const STANDING_WORDS: Record<Offer['standing'], string> = {
  absent: t('Not installed'),
  installed: t('Installed'),
  broken: t('To mend'),
  impossible: t('Not possible here'),
};

export const OUTCOME_WORDS: Record<Outcome, string> = {
  written: t('written'),
  would_write: t('would be written'),
  unchanged: t('is as it should be'),
  skipped: t('left out'),
  refused: t('refused'),
};

/** `Hooks, Claude Code`. */
export function partWords({ what, client }: Pick<Offer, 'what' | 'client'>): string {
  return client === null ? WHAT_WORDS[what] : `${WHAT_WORDS[what]}, ${CLIENT_NAMES[client]}`;
}
