// The keyboard's shortcuts that hold on every page: what each key asks for, and the list of them.

import { t } from '../language';
import { CHATS_HREF, CRASHES_HREF, DOCTOR_HREF, EXPERIMENTS_HREF, HEALTH_HREF, HOME_HREF, OPPORTUNITIES_HREF, SETTINGS_HREF } from '../routes';
import { withCommand } from './keys';

export type Asked = { is: 'palette' } | { is: 'search' } | { is: 'keys' } | { is: 'page'; href: string };

/** Milliseconds in which the letter follows the g. */
export const FOLLOWS_MS = 1500;

/** The letter after g, and the page it leads to. */
const LEADS: Record<string, string> = {
  h: HOME_HREF,
  c: CHATS_HREF,
  x: CRASHES_HREF,
  e: HEALTH_HREF,
  i: EXPERIMENTS_HREF,
  o: OPPORTUNITIES_HREF,
  d: DOCTOR_HREF,
  s: SETTINGS_HREF,
};

export interface Pressed {
  key: string;
  /** With Ctrl or Command. */
  command: boolean;
  alt: boolean;
  /** Something is being written, and plain keys are its letters. */
  writes: boolean;
}

/** `now` in milliseconds. */
export function shortcuts(): (pressed: Pressed, now: number) => Asked | undefined {
  let since: number | undefined;
  return ({ key, command, alt, writes }, now) => {
    const follows = since !== undefined && now - since <= FOLLOWS_MS;
    since = undefined;
    if (command) return key.toLowerCase() === 'k' && !alt ? { is: 'palette' } : undefined;
    if (writes || alt) return undefined;
    const href = follows ? LEADS[key.toLowerCase()] : undefined;
    if (href !== undefined) return { is: 'page', href };
    if (key === '/') return { is: 'search' };
    if (key === '?') return { is: 'keys' };
    if (key.toLowerCase() === 'g') since = now;
    return undefined;
  };
}

/** Each with the keys as they are pressed, one after the other. */
export function listed(): { keys: string[]; does: string }[] {
  return [
    { keys: [withCommand('K')], does: t('All commands') },
    { keys: ['/'], does: t('Search in all chats') },
    { keys: ['?'], does: t('These shortcuts') },
    { keys: ['g', 'h'], does: t('Home') },
    { keys: ['g', 'c'], does: t('Chats') },
    { keys: ['g', 'x'], does: t('Crashes') },
    { keys: ['g', 'e'], does: t('Health') },
    { keys: ['g', 'i'], does: t('Experiments') },
    { keys: ['g', 'o'], does: t('Opportunities') },
    { keys: ['g', 'd'], does: t('Doctor') },
    { keys: ['g', 's'], does: t('Settings') },
    { keys: ['Esc'], does: t('Close what is open') },
  ];
}
