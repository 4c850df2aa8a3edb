import { expect, test } from 'vitest';
import { parts, sentence, sized } from '../../components/advice';
import { areas, whatWords } from './areas';

test('each thing that the doctor looks at has its area', () => {
  const rows: [string, string, string][] = [
    ['data folder', 'SHIM itself', 'Data folder'],
    ['cut short', 'SHIM itself', 'Cut short'],
    ['codex', 'Clients', 'Codex'],
    ['homes', 'Clients', 'Folder'],
    ['claude-desktop mcp', 'Hooks and MCP', 'Claude Desktop MCP'],
    ['gemini hooks', 'Hooks and MCP', 'Gemini CLI hooks'],
    ['retention', 'Chats', 'Retention'],
    ['damaged', 'Journal', 'Damaged'],
    ['what nobody knows yet', 'Other', 'What nobody knows yet'],
  ];
  for (const [what, title, words] of rows) {
    const made = areas([{ level: 'ok', what, found: '', advice: null, fix: null }]);
    expect([what, made.map((area) => area.title), whatWords(what)]).toEqual([what, [title], words]);
  }
});

test('commands stand apart from the text around them', () => {
  expect(parts('run `shim install mcp`, or close it')).toEqual([
    { text: 'Run ', command: false },
    { text: 'shim install mcp', command: true },
    { text: ', or close it', command: false },
  ]);
  expect(parts('`shim undelete CHAT` puts one back')[0]).toEqual({ text: 'shim undelete CHAT', command: true });
});

test('a sentence begins with a capital, a path and a name stay as they are, and sizes are in short', () => {
  const rows = [
    ['no terminal was found', 'No terminal was found'],
    ['/home/ada (126000000 bytes)', '/home/ada (126 MB)'],
    ['config.toml is damaged', 'config.toml is damaged'],
    ['SHIM’s entries', 'SHIM’s entries'],
    ['3 chats', '3 chats'],
  ] as const;
  for (const [text, shown] of rows) expect(sentence(text).replaceAll('\u00a0', ' ')).toBe(shown);
  expect(sized('xterm -e')).toBe('xterm -e');
});
