import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Entry } from '../../bindings/api';
import { fakeHost, STORE_FAILURE, type FakeHost } from '../../host/fake';
import { idOf } from '../../host/fake-world';
import { PAGE, PAGES_MAX } from '../../queries/timeline.svelte';
import { chatHref } from '../../routes';
import { found, goTo, inside, layOut, open, scrollTo, sleep, textOf } from '../../testing';

beforeEach(layOut);
afterEach(() => vi.restoreAllMocks());

const CHAT = idOf(4);
const ENTRIES = 100_000;
const ROW_PX = 32;
const MINUTE_MS = 60_000;
/** Of the oldest entry; each is a minute later than the one before. */
const BEGAN = new Date(2026, 5, 1, 12).getTime();

const named = (place: number) => `Prompt ${place}.`;
const entryAt = (place: number, more: Partial<Entry> = {}): Entry => ({
  at: new Date(BEGAN + place * MINUTE_MS).toISOString(),
  kind: 'prompt',
  text: named(place),
  number: null,
  point: { generation: 1, offset: place },
  ...more,
});

function longChat(entries = ENTRIES): FakeHost {
  const host = fakeHost();
  host.world.timelines.set(CHAT, Array.from({ length: entries }, (_, place) => entryAt(place)));
  return host;
}

async function openLong(host = longChat(), route = chatHref(CHAT)): Promise<FakeHost> {
  await open(route, host);
  await screen.findAllByTestId('entry');
  return host;
}

const rows = () => screen.queryAllByTestId('entry').map((row) => textOf(row));
const shows = (place: number) => rows().some((row) => row.includes(named(place)));
const seen = (place: number) => waitFor(() => expect(shows(place), named(place)).toBe(true));
/** The scroll at which an entry is the uppermost in sight. */
const atTop = (place: number, entries = ENTRIES) => scrollTo((entries - 1 - place) * ROW_PX);
const asked = (host: FakeHost) => host.called('timeline') as { from: number | null; limit: number }[];
const row = (place: number) => {
  const all = screen.getAllByTestId('entry').find((each) => textOf(each).includes(named(place)));
  if (!all) throw new Error(`no entry ${place}`);
  return all;
};

test('a hundred thousand entries: what is in sight is drawn and fetched, and no more', async () => {
  const host = await openLong();
  expect(asked(host)).toEqual([{ target: CHAT, from: null, limit: 2 * PAGE }]);
  expect(rows().length).toBeLessThan(60);
  expect(shows(ENTRIES - 1)).toBe(true);
  expect(screen.getByRole('list', { name: 'Timeline' }).style.height).toBe(`${ENTRIES * ROW_PX}px`);

  await atTop(50_070);
  expect(screen.getAllByTestId('entry-missing').length).toBeGreaterThan(20);
  await seen(50_070);
  await waitFor(() => expect(screen.queryByTestId('entry-missing')).toBeNull());
  expect(asked(host).slice(1).map(({ from, limit }) => [from, limit])).toEqual([[50_000, PAGE]]);
  expect(row(50_070).getAttribute('aria-posinset')).toBe(String(ENTRIES - 50_070));
  expect(row(50_070).getAttribute('aria-setsize')).toBe(String(ENTRIES));

  await atTop(50_060);
  await sleep(20);
  expect(asked(host)).toHaveLength(2);
  await scrollTo(9e9);
  await seen(0);
});

test('pages that were looked at longest ago are let go', async () => {
  const host = await openLong();
  for (let n = 1; n <= PAGES_MAX + 3; n += 1) {
    await atTop(n * 10 * PAGE + 60);
    await seen(n * 10 * PAGE + 60);
  }
  const before = asked(host).length;
  await atTop(PAGES_MAX * 10 * PAGE + 60);
  await sleep(20);
  expect(asked(host)).toHaveLength(before);
  await atTop(10 * PAGE + 60);
  await waitFor(() => expect(asked(host).at(-1)?.from).toBe(10 * PAGE));
});

test('what is in sight stays there while new entries arrive, and is fetched anew', async () => {
  const host = await openLong();
  await atTop(70_050);
  await seen(70_050);
  const timeline = host.world.timelines.get(CHAT) ?? [];
  timeline[70_050] = entryAt(70_050, { text: 'It was changed.' });
  timeline.push(entryAt(ENTRIES), entryAt(ENTRIES + 1), entryAt(ENTRIES + 2));
  const { scrollTop } = document.documentElement;
  host.emit({ event: 'chat_changed', chat: CHAT });
  await waitFor(() => expect(rows().some((each) => each.includes('It was changed.'))).toBe(true));
  expect(document.documentElement.scrollTop).toBe(scrollTop + 3 * ROW_PX);
  expect(screen.queryByTestId('entry-missing')).toBeNull();
  expect(shows(70_040)).toBe(true);

  await fireEvent.click(screen.getByTestId('go-to-newest'));
  await seen(ENTRIES + 2);
  expect(textOf(document.activeElement as HTMLElement)).toBe(named(ENTRIES + 2));
});

test('at its top the newest entry is shown as it arrives', async () => {
  const host = await openLong();
  host.world.timelines.get(CHAT)?.push(entryAt(ENTRIES));
  host.emit({ event: 'chat_changed', chat: CHAT });
  await seen(ENTRIES);
  expect(document.documentElement.scrollTop).toBe(0);
});

test('days are headings, and one can go to a day', async () => {
  const host = await openLong();
  const before = asked(host).length;
  await fireEvent.change(screen.getByTestId('go-to-day'), { target: { value: '2026-07-04' } });
  const last = Math.floor((new Date(2026, 6, 5).getTime() - 1 - BEGAN) / MINUTE_MS);
  await seen(last);
  expect(asked(host).length - before).toBeLessThan(25);
  expect(document.activeElement?.closest('li')).toBe(row(last));
  await waitFor(() => expect(screen.getAllByRole('heading', { level: 3 }).map(textOf)).toContain('4 Jul'));
  expect(inside(row(last)).getByRole('heading', { level: 3 })).toBeTruthy();

  await fireEvent.change(screen.getByTestId('go-to-day'), { target: { value: '2020-01-01' } });
  await waitFor(() => expect(screen.getByText('Nothing is as old as that.')).toBeTruthy());
  host.failures.set('timeline', STORE_FAILURE);
  await fireEvent.change(screen.getByTestId('go-to-day'), { target: { value: '2026-06-20' } });
  expect(textOf(await screen.findByTestId('jump-error'))).toBe(STORE_FAILURE.message);
});

test('opens at a checkpoint and marks it; the checkpoints lead there', async () => {
  const host = longChat();
  const timeline = host.world.timelines.get(CHAT) ?? [];
  const [first, second] = host.world.checkpoints.get(CHAT) ?? [];
  if (!first || !second) throw new Error('no checkpoints');
  first.at = entryAt(31_415).at;
  second.at = entryAt(64_000).at;
  timeline[31_415] = entryAt(31_415, { kind: 'checkpoint', text: 'after turn 1', number: first.id, point: null });
  timeline[64_000] = entryAt(64_000, { kind: 'checkpoint', text: 'after turn 2', number: second.id, point: null });
  await openLong(host, chatHref(CHAT, first.id));
  await waitFor(() => expect(found('entry', 'aria-current', 'true').getAttribute('data-kind')).toBe('checkpoint'));
  expect(textOf(found('entry', 'aria-current', 'true'))).toContain('after turn 1');

  await fireEvent.click(screen.getByRole('button', { name: 'Show more' }));
  const link = screen.getByRole('link', { name: `#${second.id}, checkpoint in the timeline` });
  expect(link.getAttribute('href')).toBe(chatHref(CHAT, second.id));
  await goTo(chatHref(CHAT, second.id));
  await waitFor(() => expect(textOf(found('entry', 'aria-current', 'true'))).toContain('after turn 2'));
  await goTo(chatHref(CHAT, 99));
  await waitFor(() => expect(screen.getByText('Checkpoint 99 does not stand in this timeline.')).toBeTruthy());
});

test('forks at any entry: the point is kept first, then one looks, then it is done', async () => {
  const host = await openLong();
  const entry = row(ENTRIES - 3);
  await fireEvent.click(inside(entry).getByTestId('fork-here'));
  const panel = inside(entry).getByTestId('fork-panel');
  expect(textOf(panel)).toMatch(/a new chat with all up to and with this entry.*a working tree is not put back/);
  await fireEvent.input(inside(panel).getByRole('textbox', { name: 'Name (optional)' }), { target: { value: ' the other way ' } });
  await fireEvent.click(inside(panel).getByTestId('keep-point'));
  await waitFor(() => expect(textOf(panel)).toMatch(/Checkpoint \d+ stands here/));
  expect(host.called('take_checkpoint')).toEqual([
    { target: CHAT, note: 'the other way', point: { generation: 1, offset: ENTRIES - 3 } },
  ]);
  const checkpoint = host.world.checkpoints.get(CHAT)?.at(-1)?.id;

  await fireEvent.click(inside(panel).getByTestId('preview-button'));
  await inside(panel).findByTestId('preview');
  await fireEvent.click(inside(panel).getByTestId('restore-button'));
  expect(textOf(await inside(panel).findByTestId('receipt'))).toContain('Forked, nothing lost');
  const request = { target: CHAT, checkpoint, headless: false, then: 'idle' };
  expect(host.called('restore')).toEqual([{ request: { ...request, dry_run: true } }, { request: { ...request, dry_run: false } }]);

  await fireEvent.click(inside(entry).getByTestId('fork-here'));
  expect(screen.queryByTestId('fork-panel')).toBeNull();
});

test('at a checkpoint one forks from it, and where nothing can be cut there is no fork', async () => {
  const host = longChat(5);
  const timeline = host.world.timelines.get(CHAT) ?? [];
  timeline[2] = entryAt(2, { kind: 'checkpoint', number: 7, point: null });
  timeline[3] = entryAt(3, { kind: 'compaction', point: null });
  await openLong(host);
  expect(inside(row(3)).queryByTestId('fork-here')).toBeNull();
  await fireEvent.click(inside(row(2)).getByTestId('fork-here'));
  await fireEvent.click(inside(row(2)).getByTestId('restore-button'));
  await inside(row(2)).findByTestId('receipt');
  expect(host.called('take_checkpoint')).toEqual([]);
  expect(host.called('restore')).toEqual([
    { request: { target: CHAT, checkpoint: 7, headless: false, then: 'idle', dry_run: false } },
  ]);
});

test('a point that could not be kept says why', async () => {
  const host = await openLong(longChat(5));
  host.failures.set('take_checkpoint', STORE_FAILURE);
  await fireEvent.click(inside(row(1)).getByTestId('fork-here'));
  await fireEvent.click(screen.getByTestId('keep-point'));
  expect(textOf(await screen.findByTestId('fork-error'))).toBe(STORE_FAILURE.message);
});

test('what could not be fetched says why, and is tried again', async () => {
  const host = await openLong();
  host.failures.set('timeline', STORE_FAILURE);
  await atTop(40_000);
  expect(textOf(await screen.findByTestId('part-error'))).toContain(STORE_FAILURE.message);
  const before = asked(host).length;
  await atTop(30_000);
  await sleep(20);
  expect(asked(host)).toHaveLength(before);
  host.failures.clear();
  await fireEvent.click(inside(screen.getByTestId('part-error')).getByRole('button', { name: 'Retry' }));
  await seen(30_000);
});

test('keys inside an open entry belong to what stands in it', async () => {
  await openLong();
  const entry = row(ENTRIES - 2);
  await fireEvent.click(inside(entry).getByTestId('fork-here'));
  const field = inside(entry).getByRole('textbox');
  field.focus();
  expect(await fireEvent.keyDown(field, { key: 'End' })).toBe(true);
  expect(document.activeElement).toBe(field);
  await scrollTo(9e5);
  expect(document.activeElement).toBe(field);
});
