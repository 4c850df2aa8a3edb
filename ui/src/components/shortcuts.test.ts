import { expect, test } from 'vitest';
import { FOLLOWS_MS, listed, shortcuts, type Asked } from './shortcuts';

const plain = { command: false, alt: false, writes: false };

test('each key asks for what the list says, and none while one writes', () => {
  const rows: [string, Partial<typeof plain>, Asked | undefined][] = [
    ['/', {}, { is: 'search' }],
    ['?', {}, { is: 'keys' }],
    ['k', { command: true }, { is: 'palette' }],
    ['K', { command: true, writes: true }, { is: 'palette' }],
    ['k', {}, undefined],
    ['/', { writes: true }, undefined],
    ['?', { alt: true }, undefined],
    ['h', {}, undefined],
  ];
  for (const [key, more, asked] of rows) expect([key, more, shortcuts()({ ...plain, ...more, key }, 0)]).toEqual([key, more, asked]);
});

test('a letter after g leads to a page, where it follows soon', () => {
  const pages = listed().filter(({ keys }) => keys[0] === 'g');
  expect(pages).toHaveLength(8);
  for (const { keys } of pages) {
    const read = shortcuts();
    expect(read({ ...plain, key: 'g' }, 0)).toBeUndefined();
    expect(read({ ...plain, key: keys[1] ?? '' }, FOLLOWS_MS)?.is).toBe('page');
    expect(read({ ...plain, key: keys[1] ?? '' }, FOLLOWS_MS)).toBeUndefined();
  }
  const read = shortcuts();
  read({ ...plain, key: 'g' }, 0);
  expect(read({ ...plain, key: 'h' }, FOLLOWS_MS + 1)).toBeUndefined();
});
