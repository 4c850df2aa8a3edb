import { expect, test } from 'vitest';
import { diffLines, LINES_MAX } from './diff';

const kinds = (diff: string) => diffLines(diff).lines.map(({ kind }) => kind);

test('each line is told by its sign', () => {
  expect(kinds('--- a\n+++ b\n@@ -1,3 +1,3 @@\n {\n-  "a": 1\n+  "a": 2\n }\n')).toEqual([
    'file',
    'file',
    'place',
    'same',
    'removed',
    'added',
    'same',
  ]);
  expect(kinds('@@ -1 +1 @@\n--- a comment\n+++ another\n@@ -9 +9 @@\n+x')).toEqual(['place', 'removed', 'added', 'place', 'added']);
});

test('a diff beyond all reason is cut, and says so', () => {
  const { lines, more } = diffLines(`@@ @@\n${'+x\n'.repeat(LINES_MAX + 4)}`);
  expect([lines.length, more]).toEqual([LINES_MAX, 5]);
});
