import { expect, test } from 'vitest';
import { pieces } from './marks';

test('what was looked for is marked wherever it stands, whatever its case', () => {
  const rows: [string, string, string][] = [
    ['Run the Suite, the suite!', 'suite', 'Run the [Suite], the [suite]!'],
    ['nothing here', 'suite', 'nothing here'],
    ['a+b (c) [d] $e ^f', '(c) [d] $', 'a+b [(c) [d] $]e ^f'],
    ['C:\\code\\web', 'code\\w', 'C:\\[code\\w]eb'],
    ['one two', 'one   two', '[one two]'],
    ['Über ÜBER', 'über', '[Über] [ÜBER]'],
    ['text', '  ', 'text'],
    ['.*', '.*', '[.*]'],
    ['x-y/z', 'x-y/z', '[x-y/z]'],
  ];
  for (const [excerpt, wanted, shown] of rows) {
    const made = pieces(excerpt, wanted).map(({ text, marked }) => (marked ? `[${text}]` : text));
    expect(made.join('')).toBe(shown);
  }
});
