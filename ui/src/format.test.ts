import { describe, expect, test } from 'vitest';
import { bytes, clock, compact, count, day, dollars, duration, exact, fine, folder, moment, percent, relative, shortHash } from './format';

/** No-break spaces are written as plain ones in the rows. */
const plain = (text: string) => text.replaceAll('\u00a0', ' ');

function check<T>(of: (value: T) => string, rows: [T, string][]): void {
  for (const [value, text] of rows) expect([value, plain(of(value))]).toEqual([value, text]);
}

describe('numbers carry their unit', () => {
  test('counts', () => {
    check(([n, one, many]: [number, string, string?]) => count(n, one, many), [
      [[0, 'turn'], '0 turns'],
      [[1, 'turn'], '1 turn'],
      [[2, 'turn'], '2 turns'],
      [[1204, 'turn'], '1,204 turns'],
      [[1234567, 'turn'], '1,234,567 turns'],
      [[1, 'process', 'processes'], '1 process'],
      [[2, 'process', 'processes'], '2 processes'],
    ]);
  });

  test('large numbers in short', () => {
    check(compact, [
      [0, '0'],
      [999, '999'],
      [1000, '1.0k'],
      [1249, '1.2k'],
      [9949, '9.9k'],
      [9950, '10k'],
      [182_431, '182k'],
      [999_499, '999k'],
      [999_500, '1.0M'],
      [4_120_400, '4.1M'],
      [2_500_000_000, '2.5G'],
    ]);
  });

  test('dollars', () => {
    check(dollars, [
      [0, '$0.00'],
      [0.0063488, '$0.0063'],
      [0.00000012, '$0.00000012'],
      [0.01, '$0.01'],
      [1.239, '$1.24'],
      [1204.5, '$1,204.50'],
    ]);
  });

  test('bytes', () => {
    check(bytes, [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '1.0 kB'],
      [394_456, '394 kB'],
      [999_999, '1.0 MB'],
      [126_000_000, '126 MB'],
      [4_600_000_000_000, '4.6 TB'],
      [4_600_000_000_000_000, '4600 TB'],
    ]);
  });

  test('shares', () => {
    check(percent, [
      [0, '0 %'],
      [0.0001, '<1 %'],
      [0.005, '1 %'],
      [0.384, '38 %'],
      [1, '100 %'],
      [1.02, '102 %'],
    ]);
  });

  test('durations', () => {
    check(duration, [
      [0, '0 ms'],
      [3.44, '3.4 ms'],
      [14, '14 ms'],
      [999, '999 ms'],
      [999.7, '1.0 s'],
      [1240, '1.2 s'],
      [9949, '9.9 s'],
      [9960, '10 s'],
      [42_400, '42 s'],
      [59_600, '1 min'],
      [184_000, '3 min 4 s'],
      [3_600_000, '1 h'],
      [5_400_000, '1 h 30 min'],
      [32_400_000, '9 h'],
      [273_600_000, '3 d 4 h'],
    ]);
  });
});

describe('times', () => {
  const now = new Date(2026, 10, 21, 9, 4, 5).getTime();
  const ago = (ms: number) => new Date(now - ms).toISOString();
  const MINUTE = 60_000;
  const HOUR = 60 * MINUTE;

  test('how long ago', () => {
    check((at: string) => relative(at, now), [
      [ago(0), 'just now'],
      [ago(9_999), 'just now'],
      [ago(12_000), '12 s ago'],
      [ago(59_999), '59 s ago'],
      [ago(MINUTE), '1 min ago'],
      [ago(59 * MINUTE), '59 min ago'],
      [ago(HOUR), '1 h ago'],
      [ago(23 * HOUR), '23 h ago'],
      [ago(24 * HOUR), '1 d ago'],
      [ago(6.9 * 24 * HOUR), '6 d ago'],
      [ago(8 * 24 * HOUR), '13 Nov'],
      [ago(400 * 24 * HOUR), '17 Oct 2025'],
      // Clocks differ a little; a time well ahead of this one is shown as what it is.
      [ago(-30_000), 'just now'],
      [ago(-48 * HOUR), '23 Nov'],
      ['yesterday', 'unknown time'],
    ]);
  });

  test('shares that differ little', () => {
    expect([fine(0.034), fine(0.00046, 2), fine(0.3, 0)].map(plain)).toEqual(['3.4 %', '0.05 %', '30 %']);
  });

  test('moments to come', () => {
    const today = new Date(2026, 10, 21, 8, 0).getTime();
    const at = (day: number, hour: number) => new Date(2026, 10, day, hour, 5).toISOString();
    expect([moment(at(21, 14), today), moment(at(23, 9), today), moment('?', today)].map(plain)).toEqual(['14:05', '23 Nov, 09:05', 'unknown time']);
  });

  test('moments', () => {
    const at = new Date(2026, 2, 7, 9, 4, 5, 20).toISOString();
    expect(exact(at)).toBe('2026-03-07 09:04:05.020');
    expect(clock(at)).toBe('09:04:05');
    expect(plain(day(at, now))).toBe('7 Mar');
    expect([exact('?'), clock('?'), day('?', now)]).toEqual(['?', 'unknown time', 'unknown day']);
  });
});

test('a path is cut before its last part', () => {
  const rows: [string, string, string][] = [
    ['/home/ada/code/web', '/home/ada/code/', 'web'],
    ['/home/ada/code/web/', '/home/ada/code/', 'web'],
    ['C:\\Users\\ada\\code', 'C:\\Users\\ada\\', 'code'],
    ['/workspace', '/', 'workspace'],
    ['/home/プロジェクト und mehr', '/home/', 'プロジェクト und mehr'],
    ['relative', '', 'relative'],
    ['/', '', '/'],
    ['', '', ''],
  ];
  for (const [path, parent, name] of rows) expect(folder(path)).toEqual({ parent, name });
});

test('a hash is shortened to what can be compared by eye', () => {
  expect(shortHash('9f2c4e0d6b1a83577c0e')).toBe('9f2c4e0d6b1a');
});
