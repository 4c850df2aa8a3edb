import { expect, test } from 'vitest';
import type { Chat } from '../../bindings/api';
import { world } from '../../host/fake-world';
import { matches, sections, stateCounts, type Filter } from './filter';

const { chats } = world(Date.UTC(2026, 10, 21));
const titles = (list: Chat[]) => list.map((chat) => chat.title);

test('text is looked for in title, folder and model, whatever its case and accents', () => {
  const rows: [string, number][] = [
    ['', chats.length],
    ['   ', chats.length],
    ['FLAKY', 1],
    ['flaky web', 1],
    ['web flaky', 1],
    ['uberweisungen', 1],
    ['Überweisungen', 1],
    ['送金', 1],
    ['プロジェクト', 1],
    ['users\\ada', 1],
    ['00000004-5a1e', 1],
    ['flaky nowhere', 0],
  ];
  for (const [text, found] of rows) {
    expect([text, chats.filter((chat) => matches(chat, { text, state: null, client: null })).length]).toEqual([text, found]);
  }
});

test('state and text narrow together', () => {
  const filter: Filter = { text: 'billing', state: 'crashed', client: null };
  expect(titles(chats.filter((chat) => matches(chat, filter)))).toEqual(['Move the billing worker to the new queue']);
});

test('a client narrows to its own chats', () => {
  const of = (client: Filter['client']) => chats.filter((chat) => matches(chat, { text: '', state: null, client })).length;
  expect([of('claude-code'), of('codex')]).toEqual([chats.length, 0]);
});

test('crashed chats come first, the newest first under each heading', () => {
  const all = sections(chats);
  expect(all.map(({ title, chats }) => [title, chats.length])).toEqual([
    ['Crashed', 3],
    ['Hung', 1],
    ['Live', 5],
    ['Unknown', 1],
    ['Ended', 36],
  ]);
  for (const { chats } of all) {
    const times = chats.map((chat) => Date.parse(chat.last_activity));
    expect(times).toEqual([...times].sort((a, b) => b - a));
  }
  expect(sections([])).toEqual([]);
});

test('every state has a heading', () => {
  expect(stateCounts(chats).reduce((sum, { chats }) => sum + chats, 0)).toBe(chats.length);
});
