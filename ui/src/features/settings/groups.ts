// How the page orders the keys of config.toml, and what it calls them. The keys, their bounds and their words come
// from the engine; a key that is not known here is shown all the same.

import type { Setting } from '../../bindings/api';
import type { Value } from '../../bindings/core';

export interface Group {
  title: string;
  about: string;
  settings: Setting[];
}

/** Groups with the first parts of the keys that belong to them. */
const GROUPS: readonly { title: string; about: string; parts: readonly string[] }[] = [
  { title: 'Bringing chats back', about: 'What SHIM does by itself, and how.', parts: ['policy', 'restore', 'terminal', 'stop', 'fleet'] },
  { title: 'Noticing trouble', about: 'When a chat hangs, runs out of memory or context, or waits too long.', parts: ['hang', 'memory', 'prompt', 'clinic'] },
  { title: 'Checkpoints', about: 'When they are taken, and what is kept of the working tree.', parts: ['checkpoints'] },
  { title: 'What is kept', about: 'How long, and how much of the disk it may take.', parts: ['journal', 'signals'] },
  { title: 'Risk', about: 'From where on a chat is in a warning or in danger, until SHIM has learned from this machine.', parts: ['risk'] },
  { title: 'Clients and folders', about: 'Where SHIM looks for chats.', parts: ['watch', 'clients'] },
];
const REST = { title: 'The engine', about: 'Settings of SHIM itself.' };

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
  const parts = name.split('.').map((part) =>
    part
      .split(/[_-]/)
      .map((word) => SPELLINGS[word] ?? word)
      .join(' '),
  );
  const title = parts.length > 1 ? `${parts.slice(0, -1).join(' ')}: ${parts.at(-1)}` : name;
  return title.charAt(0).toUpperCase() + title.slice(1);
}

/** A value in words. */
export function shown(value: Value): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return value === '' ? 'empty' : String(value);
}

export function same(a: Value, b: Value): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
