import { expect, test } from 'vitest';
import { drawnRows, rowAt, topOf, type Layout } from './rows';

const even: Layout = { count: 100_000, height: 32, opened: null, extra: 0 };
const open: Layout = { ...even, opened: 10, extra: 100 };

test('rows stand one under the other, those behind the open one further down', () => {
  const rows: [Layout, number, number][] = [
    [even, 0, 0],
    [even, 10, 320],
    [even, 100_000, 3_200_000],
    [open, 10, 320],
    [open, 11, 452],
    [open, 100_000, 3_200_100],
  ];
  for (const [layout, index, top] of rows) expect([index, topOf(layout, index)]).toEqual([index, top]);
});

test('the row at a height is the one that stands there, and the nearest where none does', () => {
  const rows: [Layout, number, number][] = [
    [even, -500, 0],
    [even, 31.9, 0],
    [even, 32, 1],
    [even, 9e9, 99_999],
    [open, 351, 10],
    [open, 400, 10],
    [open, 451, 10],
    [open, 452, 11],
    [open, 484, 12],
    [{ ...even, count: 0 }, 50, 0],
  ];
  for (const [layout, y, index] of rows) expect([y, rowAt(layout, y)]).toEqual([y, index]);
  for (let index = 0; index < 50; index += 1) expect(rowAt(open, topOf(open, index))).toBe(index);
});

test('what has the focus or is open is drawn beside what is in sight', () => {
  const rows: [number, number, (number | null)[], number[]][] = [
    [0, 2, [], [0, 1, 2]],
    [4, 5, [null, 4], [4, 5]],
    [4, 5, [9, 0], [0, 4, 5, 9]],
    [4, 5, [0, 0], [0, 4, 5]],
    [0, -1, [], []],
  ];
  for (const [first, last, also, drawn] of rows) expect(drawnRows(first, last, also)).toEqual(drawn);
});
