// How the page orders the keys of config.toml, and what it calls them. The keys, their bounds and their words come
// from the engine; a key that is not known here is shown all the same.

import type { Setting } from '../../bindings/api';
import type { Value } from '../../bindings/core';
import { t } from '../../language';

export interface Group {
  title: string;
  about: string;
  settings: Setting[];
}

/** Groups with the first parts of the keys that belong to them. */
const GROUPS: readonly { title: string; about: string; parts: readonly string[] }[] = [
  { title: t('Bringing chats back'), about: t('What SHIM does by itself, and how.'), parts: ['policy', 'restore', 'terminal', 'stop', 'fleet'] },
  { title: t('The window'), about: t('How window and tray look, what they speak, and when they start.'), parts: ['desktop'] },
  { title: t('Notifications'), about: t('Of what SHIM tells you, and when it keeps quiet.'), parts: ['notices'] },
  {
    title: t('Noticing trouble'),
    about: t('When a chat hangs, runs out of memory or context, or waits too long.'),
    parts: ['hang', 'memory', 'prompt', 'clinic'],
  },
  { title: t('Checkpoints'), about: t('When they are taken, and what is kept of the working tree.'), parts: ['checkpoints'] },
  { title: t('What is kept'), about: t('How long, and how much of the disk it may take.'), parts: ['journal', 'signals'] },
  { title: t('Privacy'), about: t('What is made unreadable in what SHIM shows and exports.'), parts: ['privacy'] },
  {
    title: t('Risk'),
    about: t('From where on a chat is in a warning or in danger, until SHIM has learned from this machine.'),
    parts: ['risk'],
  },
  { title: t('Experiments'), about: t('Whether SHIM tries other values of its own settings by itself.'), parts: ['experiments'] },
  { title: t('Clients and folders'), about: t('Where SHIM looks for chats.'), parts: ['watch', 'clients'] },
];
const REST = { title: t('The engine'), about: t('Settings of SHIM itself.') };

/** Keys that have a name of their own here. */
const TITLES: Record<string, string> = {
  'desktop.theme': t('Colours'),
  'desktop.language': t('Language'),
  'desktop.autostart': t('Start the tray when you log in'),
};

/** Choices that have words of their own here; the key keeps its own. */
const CHOICES: Record<string, Record<string, string>> = {
  'desktop.theme': { system: t('As the system'), light: t('Light'), dark: t('Dark') },
  // A language is named in itself, so that one finds back.
  'desktop.language': { system: t('As the system'), en: 'English', de: 'Deutsch' },
};

/** Said as a deed on the page, not as a switch. */
export const WELCOMED = 'desktop.welcomed';

/** Words that a key's name spells in another way. */
const SPELLINGS: Record<string, string> = {
  ms: '(ms)',
  mib: '(MiB)',
  percent: '(%)',
  seconds: '(s)',
  minutes: '(min)',
  days: '(days)',
  cpu: 'CPU',
  api: 'API',
};

export function grouped(settings: Setting[], wanted: string): Group[] {
  const found = settings.filter((setting) => matches(setting, wanted));
  const first = (setting: Setting) => setting.name.split('.')[0] ?? '';
  const known = new Set(GROUPS.flatMap((group) => group.parts));
  const groups = GROUPS.map(({ title, about, parts }) => ({
    title,
    about,
    // In the order of the parts, so that what matters most comes first.
    settings: parts.flatMap((part) => found.filter((setting) => first(setting) === part)),
  }));
  const rest = { ...REST, settings: found.filter((setting) => !known.has(first(setting))) };
  return [...groups, rest].filter((group) => group.settings.length > 0);
}

function matches(setting: Setting, wanted: string): boolean {
  const all = `${setting.name} ${titleOf(setting.name)} ${setting.about}`.toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

/** `policy.apart_seconds` as `Policy: apart (s)`. */
export function titleOf(name: string): string {
  const own = TITLES[name];
  if (own !== undefined) return own;
  const parts = name.split('.').map((part) =>
    part
      .split(/[_-]/)
      .map((word) => SPELLINGS[word] ?? word)
      .join(' '),
  );
  const title = parts.length > 1 ? `${parts.slice(0, -1).join(' ')}: ${parts.at(-1)}` : name;
  return title.charAt(0).toUpperCase() + title.slice(1);
}

export function hasOwnTitle(name: string): boolean {
  return TITLES[name] !== undefined;
}

export function choiceWords(name: string, choice: string): string {
  return CHOICES[name]?.[choice] ?? choice;
}

/** A value in words. */
export function shown(name: string, value: Value): string {
  if (typeof value === 'boolean') return value ? t('on') : t('off');
  if (Array.isArray(value)) return value.length === 0 ? t('empty') : value.join(', ');
  return value === '' ? t('empty') : choiceWords(name, String(value));
}

export function same(a: Value, b: Value): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
