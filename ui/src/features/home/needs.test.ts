import { expect, test } from 'vitest';
import type { Chat, Finding } from '../../bindings/api';
import { world } from '../../host/fake-world';
import { lately } from './lately';
import { needs } from './needs';

const NOW = Date.UTC(2026, 10, 21);
const { chats, crashes } = world(NOW);
const [first] = chats;
if (!first) throw new Error('the recorded world has no chat');

const resets_at = new Date(NOW + 3_600_000).toISOString();
const limited = (id: string, more: Partial<Chat> = {}): Chat => ({
  ...first,
  id,
  state: 'idle',
  open_crash: null,
  limit: { message: 'limit reached', at: null, resets_at },
  ...more,
});

test('a chat is named once, by what matters most', () => {
  const crashed = { ...first, state: 'waiting' as const, limit: limited('x').limit };
  const hung = limited('hung', { state: 'hung' });
  const waiting = limited('waiting', { state: 'waiting' });
  const all = needs([crashed, hung, waiting], crashes.slice(0, 1), []);
  expect(all.map(({ kind }) => kind)).toEqual(['crash', 'hung', 'waiting']);
});

test('a limit of several chats of one client is one thing; another end or client is another', () => {
  const all = needs(
    [limited('a'), limited('b'), limited('c', { client: 'codex' }), limited('d', { limit: { message: 'spent', at: null, resets_at: null } })],
    [],
    [],
  );
  const told = all.map((need) => need.kind === 'limit' && [need.client, need.limit.resets_at, need.chats.map(({ id }) => id)]);
  expect(told).toEqual([
    ['claude-code', resets_at, ['a', 'b']],
    ['codex', resets_at, ['c']],
    ['claude-code', null, ['d']],
  ]);
});

test('of the doctor’s findings only problems and coming deletions are to do; warnings stand above each page', () => {
  const finding = (level: Finding['level'], what: string): Finding => ({ level, what, found: what, advice: null, fix: null });
  const findings = [
    finding('ok', 'terminal'),
    finding('note', 'gemini'),
    finding('problem', 'warning'),
    finding('problem', 'codex hooks'),
    finding('note', 'retention'),
  ];
  const told = needs([], [], findings).map((need) => (need.kind === 'finding' || need.kind === 'deletion') && [need.kind, need.finding.what]);
  expect(told).toEqual([
    ['deletion', 'retention'],
    ['finding', 'codex hooks'],
  ]);
});

test('what happened more than a week ago is not told', () => {
  const ids = (now: number) => lately(crashes, now).map(({ kind, crash }) => `${kind} ${crash.id}`);
  expect(ids(NOW)).toEqual(['crash 12', 'restore 11', 'crash 11', 'restore 10', 'crash 10', 'restore 9', 'crash 9', 'crash 7']);
  expect(ids(NOW + 6 * 86_400_000)).not.toContain('crash 7');
  expect(ids(NOW + 8 * 86_400_000)).toEqual([]);
});
