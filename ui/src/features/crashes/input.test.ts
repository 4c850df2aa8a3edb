import { expect, test } from 'vitest';
import { inputParts } from './input';

test('an input is shown by its names', () => {
  const rows: [unknown, { name: string; value: string }[]][] = [
    [{ command: 'ls -la', timeout: 600 }, [{ name: 'command', value: 'ls -la' }, { name: 'timeout', value: '600' }]],
    [{ file_path: '/a' }, [{ name: 'file path', value: '/a' }]],
    [{ options: { deep: [1] } }, [{ name: 'options', value: '{\n  "deep": [\n    1\n  ]\n}' }]],
    [{ replace_all: false, note: null }, [{ name: 'replace all', value: 'false' }, { name: 'note', value: 'null' }]],
    [{}, []],
    ['text', [{ name: 'input', value: 'text' }]],
    [null, [{ name: 'input', value: 'null' }]],
    [[1, 2], [{ name: 'input', value: '[\n  1,\n  2\n]' }]],
    [undefined, [{ name: 'input', value: 'none' }]],
  ];
  for (const [input, parts] of rows) expect(inputParts(input)).toEqual(parts);
});

test('a long value is cut and says how long it is', () => {
  const [part] = inputParts({ content: 'x'.repeat(50_000) });
  expect(part?.value).toHaveLength(4000 + '… (50000 characters in all)'.length);
  expect(part?.value.endsWith('… (50000 characters in all)')).toBe(true);
});
