import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import type { Chat } from '../bindings/api';
import { fakeHost, type FakeHost } from '../host/fake';
import { found, inside, layOut, open, scrollTo, textOf } from '../testing';

afterEach(() => vi.restoreAllMocks());

const ROW_PX = 56;
const CHATS = 1000;
const title = (n: number) => `Chat ${String(n).padStart(4, '0')}`;

/** So many ended chats, the newest first, named by their place. */
function manyChats(count = CHATS): FakeHost {
  const host = fakeHost();
  const ended = host.world.chats.find((chat) => chat.state === 'ended') as Chat;
  host.world.crashes = [];
  host.world.chats = Array.from({ length: count }, (_, n) => ({
    ...ended,
    id: `codex:${n}`,
    title: title(n),
    last_activity: new Date(Date.now() - n * 60_000).toISOString(),
  }));
  return host;
}

const titles = () => screen.getAllByTestId('chat-row').map((row) => textOf(inside(row).getByRole('link')));
const focusedTitle = () => textOf(document.activeElement as HTMLElement);
const press = (key: string) => fireEvent.keyDown(document.activeElement ?? document.body, { key });

async function openMany(host = manyChats()): Promise<FakeHost> {
  layOut();
  await open('#/chats', host);
  await screen.findAllByTestId('chat-row');
  return host;
}

test('of a thousand rows only those in sight are drawn, each with its place in the whole', async () => {
  await openMany();
  const list = screen.getByRole('list', { name: 'Ended' });
  expect(list.style.height).toBe(`${CHATS * ROW_PX}px`);
  const rows = screen.getAllByTestId('chat-row');
  expect(rows.length).toBeLessThan(40);
  expect(titles()[0]).toBe(title(0));
  expect(rows.map((row) => row.getAttribute('aria-setsize'))).toEqual(rows.map(() => String(CHATS)));
  expect(rows.map((row) => row.getAttribute('aria-posinset'))).toEqual(rows.map((_, at) => String(at + 1)));

  await scrollTo(500 * ROW_PX);
  expect(titles()).toContain(title(500));
  expect(titles()).not.toContain(title(480));
  expect(screen.getAllByTestId('chat-row').length).toBeLessThan(50);
  const row = found('chat-row', 'data-chat', 'codex:500');
  expect([row.style.top, row.style.height, row.getAttribute('aria-posinset')]).toEqual([`${500 * ROW_PX}px`, `${ROW_PX}px`, '501']);
  await scrollTo(9e9);
  expect(titles().at(-1)).toBe(title(CHATS - 1));
});

test('a short list is drawn whole, so that one can search in the page', async () => {
  await openMany(manyChats(60));
  expect(titles()).toHaveLength(60);
  expect(screen.getByRole('list', { name: 'Ended' }).style.height).toBe('');
  expect(screen.getAllByTestId('chat-row')[59]?.getAttribute('aria-posinset')).toBe('60');
});

test('the keyboard moves from row to row, by screenfuls, and to both ends', async () => {
  await openMany();
  inside(found('chat-row', 'data-chat', 'codex:0')).getByRole('link').focus();
  for (const [key, at] of [
    ['ArrowDown', 1],
    ['ArrowDown', 2],
    ['ArrowUp', 1],
    ['PageDown', 13],
    ['PageUp', 1],
    ['End', CHATS - 1],
    ['ArrowDown', CHATS - 1],
    ['PageUp', CHATS - 13],
    ['Home', 0],
    ['ArrowUp', 0],
  ] as const) {
    expect(await press(key), key).toBe(false);
    await waitFor(() => expect([key, focusedTitle()]).toEqual([key, title(at)]));
    const { top } = (document.activeElement as HTMLElement).closest('li')?.getBoundingClientRect() ?? { top: NaN };
    expect(top >= 0 && top < innerHeight, `${key}: in sight`).toBe(true);
  }
  expect(await press('a'), 'other keys are left alone').toBe(true);
});

test('what has the focus keeps it while rows are taken away and come', async () => {
  const host = await openMany();
  const link = inside(found('chat-row', 'data-chat', 'codex:3')).getByRole('link');
  link.focus();
  await scrollTo(700 * ROW_PX);
  expect(titles()[0]).toBe(title(3));
  expect(document.activeElement).toBe(link);

  // A new chat moves it down by one.
  const [first] = host.world.chats;
  if (!first) throw new Error('no chat');
  host.world.chats.push({ ...first, id: 'codex:new', last_activity: new Date(Date.now() + 60_000).toISOString() });
  host.emit({ event: 'chat_changed', chat: 'codex:new' });
  await waitFor(() => expect(found('chat-row', 'data-chat', 'codex:3').getAttribute('aria-posinset')).toBe('5'));
  expect(document.activeElement).toBe(link);
  await press('ArrowDown');
  await waitFor(() => expect(focusedTitle()).toBe(title(4)));
});
