import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeHost, STORE_FAILURE } from '../../host/fake';
import { idOf } from '../../host/fake-world';
import { found, goTo, inside, open, sleep, textOf } from '../../testing';

const rows = () => screen.queryAllByTestId('chat-row').map((row) => row.getAttribute('data-state'));
const row = (n: number) => found('chat-row', 'data-chat', idOf(n));

test('lists crashed chats first, each with its facts in words', async () => {
  await open('#/chats');
  await screen.findAllByTestId('chat-row');
  expect(rows().slice(0, 9)).toEqual([
    'crashed', 'crashed', 'crashed', 'hung', 'working', 'working', 'waiting', 'idle', 'idle',
  ]);
  expect(textOf(row(1))).toMatch(
    /^Crashed Move the billing worker to the new queue \d+ s ago Claude Code·\/home\/ada\/code\/billing 11 turns 60k tokens 13 % context Restore$/,
  );
  expect(row(4).querySelector('time')?.title).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
  expect(inside(row(4)).queryByTestId('restore-button')).toBeNull();
  expect(inside(row(1)).getByRole('link').getAttribute('href')).toBe(`#/chats/${encodeURIComponent(idOf(1))}`);
});

test('holds the place while it loads', async () => {
  const host = fakeHost();
  host.silent = true;
  await open('#/chats', host);
  expect(textOf(screen.getByRole('status'))).toBe('Loading chats');
  expect(screen.queryByTestId('page-empty')).toBeNull();
});

test('fetches anew when an event says that a chat changed', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  const chat = host.world.chats.find((each) => each.id === idOf(4));
  if (!chat) throw new Error('no chat 4');
  chat.state = 'idle';
  host.emit({ event: 'chat_changed', chat: chat.id });
  await waitFor(() => expect(row(4).getAttribute('data-state')).toBe('idle'));
  expect(host.called('chats')).toHaveLength(2);
});

test('a burst of events is one fetch', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  for (let i = 0; i < 50; i += 1) host.emit({ event: 'chat_changed', chat: idOf(4) });
  await waitFor(() => expect(host.called('chats')).toHaveLength(2));
  await sleep(300);
  expect(host.called('chats')).toHaveLength(2);
  host.emit({ event: 'checkpoint_taken', chat: idOf(4), checkpoint: 1, trigger: 'turn', seconds: 0.004 });
  await sleep(200);
  expect(host.called('chats')).toHaveLength(2);
});

test('filters by text and by state', async () => {
  await open('#/chats');
  await screen.findAllByTestId('chat-row');
  const text = screen.getByRole('searchbox');

  await fireEvent.input(text, { target: { value: 'billing' } });
  expect(screen.getAllByTestId('chat-row').every((each) => /billing/i.test(textOf(each)))).toBe(true);
  await fireEvent.click(screen.getByTestId('filter-crashed'));
  expect(rows()).toEqual(['crashed']);
  expect(screen.getByTestId('filter-crashed').getAttribute('aria-pressed')).toBe('true');

  await fireEvent.input(text, { target: { value: 'no such chat' } });
  await fireEvent.click(inside(found('page-empty')).getByRole('button', { name: 'Clear the filter' }));
  expect(rows()).toHaveLength(46);
  expect((text as HTMLInputElement).value).toBe('');
});

test('opens narrowed as its address says, and narrows by client', async () => {
  const host = fakeHost();
  const [first] = host.world.chats;
  if (!first) throw new Error('no chat');
  host.world.chats.push({ ...first, id: 'codex:1', client: 'codex', state: 'working', open_crash: null });
  await open('#/chats?state=working&client=codex', host);
  await screen.findAllByTestId('chat-row');
  expect(screen.getAllByTestId('chat-row').map((each) => each.getAttribute('data-chat'))).toEqual(['codex:1']);

  const clients = screen.getByRole<HTMLSelectElement>('combobox', { name: 'Filter by client' });
  expect([...clients.options].map((option) => option.text)).toEqual(['All clients', 'Claude Code', 'Codex']);
  expect(clients.selectedOptions[0]?.text).toBe('Codex');
  await fireEvent.change(clients, { target: { selectedIndex: 0 } });
  expect(rows()).toEqual(['working', 'working', 'working']);

  await goTo('#/chats');
  await waitFor(() => expect(rows()).toHaveLength(47));
});

test('where no title matches, the same text can be searched for in what was said', async () => {
  await open('#/chats');
  await screen.findAllByTestId('chat-row');
  await fireEvent.input(screen.getByRole('searchbox'), { target: { value: ' old path ' } });
  await fireEvent.click(inside(found('page-empty')).getByRole('link'));
  expect(await screen.findAllByTestId('chat-hits')).not.toEqual([]);
  expect(location.hash).toBe('#/search/old%20path');
});

test('restores with one click and says how it went', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  await fireEvent.click(inside(row(1)).getByTestId('restore-button'));
  expect(textOf(await screen.findByTestId('restore-outcome'))).toMatch(
    /Move the billing worker to the new queue Restored, nothing lost\. Read the receipt/,
  );
  expect(host.called('restore')).toEqual([
    { request: { target: idOf(1), checkpoint: null, headless: false, then: 'idle', dry_run: false } },
  ]);
  await waitFor(() => expect(row(1).getAttribute('data-state')).toBe('idle'));
  expect(inside(row(1)).queryByTestId('restore-button')).toBeNull();

  await fireEvent.click(screen.getByRole('button', { name: 'Dismiss' }));
  expect(screen.queryByTestId('restore-outcome')).toBeNull();
});

test('says why a restore was refused or could not be asked for', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  await fireEvent.click(inside(row(3)).getByTestId('restore-button'));
  expect(textOf(await screen.findByTestId('restore-outcome'))).toMatch(/Refused: its folder is gone\. The folder .* does not exist/);

  host.failures.set('restore', STORE_FAILURE);
  await fireEvent.click(inside(row(1)).getByTestId('restore-button'));
  await waitFor(() => expect(screen.getAllByTestId('restore-outcome')).toHaveLength(2));
  expect(textOf(found('restore-outcome'))).toContain(STORE_FAILURE.message);
  expect(row(1).getAttribute('data-state')).toBe('crashed');
});

test('a restore that the tray started shows here too', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  const button = () => inside(row(1)).getByTestId('restore-button') as HTMLButtonElement;
  host.emit({ event: 'restore_started', chat: idOf(1) });
  await waitFor(() => expect(button().disabled).toBe(true));
  expect(textOf(button())).toBe('Restoring…');
  host.emit({ event: 'missed' });
  await waitFor(() => expect(button().disabled).toBe(false));
});

test('shows why the chats could not be loaded, and tries again', async () => {
  const host = fakeHost();
  host.failures.set('chats', STORE_FAILURE);
  await open('#/chats', host);
  expect(textOf(await screen.findByTestId('page-error'))).toContain(STORE_FAILURE.message);
  expect(rows()).toEqual([]);

  host.failures.clear();
  await fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
  await screen.findAllByTestId('chat-row');
  expect(screen.queryByTestId('page-error')).toBeNull();
});

test('keeps what it had when a later fetch fails', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  host.failures.set('chats', STORE_FAILURE);
  host.emit({ event: 'chat_changed', chat: idOf(4) });
  expect(textOf(await screen.findByTestId('page-error'))).toMatch(/could not be refreshed/);
  expect(rows()).toHaveLength(46);
});

test('says what holds a chat up: a usage limit with its end, a process that may hang or does', async () => {
  const host = fakeHost();
  const [first, second, third] = host.world.chats;
  if (!first || !second || !third) throw new Error('no chats');
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  first.limit = { message: 'You’ve hit your 5-hour limit', at: null, resets_at: soon };
  second.suspicion = { form: 'silent', since: new Date(Date.now() - 600_000).toISOString() };
  third.limit = { message: 'spend limit reached', at: null, resets_at: null };
  await open('#/chats', host);
  await screen.findAllByTestId('chat-row');
  const limit = inside(found('chat-row', 'data-chat', first.id)).getByTestId('chat-limit');
  expect([textOf(limit).slice(0, 19), limit.title]).toEqual(['Usage limit, until ', 'You’ve hit your 5-hour limit']);
  expect(textOf(inside(found('chat-row', 'data-chat', second.id)).getByTestId('chat-suspicion'))).toMatch(/^May hang: moved last 10.min ago$/);
  expect(textOf(inside(found('chat-row', 'data-chat', third.id)).getByTestId('chat-limit'))).toBe('Usage limit');
});
