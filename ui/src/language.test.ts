import { expect, test } from 'vitest';
import { GERMAN } from './german/german';
import { speak, t } from './language';

const sources = import.meta.glob<string>(['./**/*.{ts,svelte}', '!./**/*.test.ts', '!./bindings/**', '!./german/**', '!./host/**'], {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** Every text that is handed to `t` as it stands. */
function texts(): string[] {
  const calls = Object.values(sources).flatMap((source) => [...source.matchAll(/\bt\(\s*(?:'((?:[^'\\]|\\.)*)'|`([^`$]*)`)/g)]);
  return calls.map(([, quoted, ticked]) => (quoted ?? ticked ?? '').replace(/\\(.)/g, '$1'));
}

/** Every word that is handed to `count`, its plural with it. */
function counted(): string[] {
  const calls = Object.values(sources).flatMap((source) => [...source.matchAll(/\bcount\([^'`;]*?, '([^']+)'(?:, '([^']+)')?\)/g)]);
  return calls.flatMap(([, one = '', many]) => [one, many ?? `${one}s`]);
}

test('everything the pages say has its German, with the same places to fill in', () => {
  const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  expect(counted()).toContain('turns');
  const missing = [...texts(), ...counted()].filter((text) => GERMAN[text] === undefined);
  expect(missing).toEqual([]);
  for (const [english, german] of Object.entries(GERMAN)) expect(places(german), english).toEqual(places(english));
});

test('what has no translation stays English, and values are filled in', () => {
  expect(t('{n} of {all}', { n: 2, all: 3 })).toBe('2 of 3');
  speak('de');
  expect(t('no such text {n}', { n: 1 })).toBe('no such text 1');
  speak('en');
});
