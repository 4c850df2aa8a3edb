import { describe, expect, test } from 'vitest';
import css from './tokens.css?raw';

/** Text, and the surfaces it stands on. */
const TEXT: [string, string[]][] = [
  ['text', ['surface-page', 'surface', 'surface-sunken', 'surface-hover', 'good-surface', 'warning-surface', 'danger-surface']],
  ['text-muted', ['surface-page', 'surface', 'surface-sunken', 'surface-hover']],
  ['accent', ['surface-page', 'surface', 'surface-sunken', 'surface-hover', 'danger-surface', 'warning-surface', 'good-surface']],
  ['accent-strong', ['accent-surface']],
  ['on-accent', ['accent', 'accent-strong']],
  ['danger', ['surface', 'surface-hover', 'danger-surface', 'surface-page']],
  ['warning', ['surface', 'surface-hover', 'warning-surface', 'surface-page']],
  ['good', ['surface', 'surface-hover', 'good-surface', 'surface-page']],
];
/** What is not text but must be seen: borders of controls, focus. */
const SHAPES: [string, string[]][] = [
  ['border-control', ['surface', 'surface-page', 'surface-sunken']],
  ['focus', ['surface', 'surface-page', 'surface-sunken', 'surface-hover']],
];

type Colours = Map<string, string>;
const light = colours(1);
const dark = colours(2);

/** Each role that has a colour in both themes, with that of one. */
function colours(place: 1 | 2): Colours {
  const pairs = css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g);
  return new Map([...pairs].map((found) => [found[1] ?? '', found[place + 1] ?? '']));
}

/** WCAG 2.2, contrast ratio of two colours. */
function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

describe.each([
  ['light', light],
  ['dark', dark],
])('in %s', (_, theme) => {
  const ratio = (front: string, back: string) => contrast(theme.get(front) ?? '#000000', theme.get(back) ?? '#000000');

  test('text has contrast AA on every surface it stands on', () => {
    for (const [front, backs] of TEXT) {
      for (const back of backs) expect(ratio(front, back), `${front} on ${back}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('controls and focus can be seen', () => {
    for (const [front, backs] of SHAPES) {
      for (const back of backs) expect(ratio(front, back), `${front} on ${back}`).toBeGreaterThanOrEqual(3);
    }
  });
});

test('every colour has both themes, and the root may say which', () => {
  expect(css.match(/: #[0-9a-f]{3,8};/g)).toBeNull();
  expect(light.size).toBeGreaterThan(20);
  for (const theme of ['light', 'dark']) expect(css).toMatch(new RegExp(`\\[data-theme='${theme}'\\] \\{\\s+color-scheme: ${theme};`));
});
