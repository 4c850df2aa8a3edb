import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { ENGINE_DOWN, fakeHost, STORE_FAILURE } from '../../host/fake';
import { calmWorld, emptyWorld, idOf } from '../../host/fake-world';
import { MEASURE_MS } from '../../queries/live.svelte';
import { chatHref } from '../../routes';
import { found, goTo, inside, open, sleep, textOf } from '../../testing';

afterEach(() => vi.useRealTimers());

const row = (n: number) => found('chat-health', 'data-chat', idOf(n));
const budget = (name: string) => textOf(found('budget', 'data-budget', name));

test('shows each live chat with its risk, context and signals, the nearest to trouble first', async () => {
  const host = await open('#/health');
  const rows = await screen.findAllByTestId('chat-health');
  expect(rows.map((each) => each.getAttribute('data-level'))).toEqual(['warning', 'safe', 'safe', 'safe', 'safe', 'unknown']);
  expect(screen.getByRole('heading', { level: 2, name: /^6.live chats, nearest to trouble first$/ })).toBeTruthy();
  await waitFor(() => expect(textOf(row(6))).toContain('Tool calls'));
  expect(textOf(row(6))).toMatch(/Claude Code Working 91 % context Warning by rule of thumb Danger: 91 % of the context is used \(limit 75 %\)/);
  expect(textOf(row(6))).toMatch(
    /Messages 14 Tool calls 47, 2 unsaved Failed calls 0 % Answers in 5.4 s Memory 639 MB, \+1.6 MB\/min Processor 31 % Running for 34 min 30 s Last error none lately The last hour$/,
  );
  expect(inside(row(6)).getByRole('link').getAttribute('href')).toBe(chatHref(idOf(6)));
  expect(host.called('signals')).toHaveLength(6);
  expect(host.called('signals')[0]).toEqual({ target: idOf(6), minutes: 1 });
});

test('memory and context over the last hour are drawn where they are asked for, and where few chats live', async () => {
  const host = await open('#/health');
  await screen.findAllByTestId('chat-health');
  await waitFor(() => expect(textOf(row(6))).toContain('Tool calls'));
  expect(screen.queryByTestId('chart')).toBeNull();
  const details = row(6).querySelector('details');
  if (!details) throw new Error('no details');
  details.open = true;
  await fireEvent(details, new Event('toggle'));
  const chart = await inside(row(6)).findByTestId('chart');
  expect(inside(chart).getByRole('img', { name: 'Memory and context' })).toBeTruthy();
  expect(host.called('signals_chart')).toEqual([{ target: idOf(6), minutes: 60 }]);
  await fireEvent.click(inside(chart).getByRole('button', { name: 'Show as table' }));
  expect(inside(chart).getAllByRole('columnheader').map(textOf)).toEqual(['Time', 'Memory, MB', 'Context, %']);
  expect(inside(chart).getAllByRole('row')).toHaveLength(31);

  host.world.chats = host.world.chats.filter((chat) => [6, 4, 1].some((n) => chat.id === idOf(n)));
  await goTo('#/crashes');
  await goTo('#/health');
  await waitFor(() => expect(screen.getAllByTestId('chart')).toHaveLength(2));
});

test('what is not known is said to be so', async () => {
  await open('#/health');
  await screen.findAllByTestId('chat-health');
  await waitFor(() => expect(textOf(row(8))).toContain('Failed calls none made Answers in not known'));
  expect(textOf(row(8))).toContain('no context yet');
  expect(textOf(row(9))).toContain('No reading yet');
});

test('what is measured is asked for anew as it grows old, and not in a window that nobody sees', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const host = await open('#/health', fakeHost({ world: calmWorld(Date.now()) }));
  await waitFor(() => expect(host.called('signals')).toHaveLength(3));
  const measured = host.world.signals.get(idOf(4))?.now;
  if (!measured) throw new Error('no signals');
  measured.messages = 1234;
  vi.advanceTimersByTime(MEASURE_MS + 1);
  await waitFor(() => expect(textOf(row(4))).toContain('Messages 1,234'));
  await sleep(50);
  expect(host.called('signals')).toHaveLength(6);
  expect(host.called('chats')).toHaveLength(1);

  const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  vi.advanceTimersByTime(3 * MEASURE_MS);
  hidden.mockRestore();
  await goTo('#/crashes');
  vi.advanceTimersByTime(3 * MEASURE_MS);
  await sleep(200);
  expect(host.called('signals')).toHaveLength(6);
});

test('shows what SHIM itself uses against its limits', async () => {
  const host = await open('#/health');
  await screen.findAllByTestId('budget');
  expect(budget('Memory')).toBe('Memory 19 MB Within its limit of 30 MB');
  expect(budget('Processor')).toBe('Processor 0.05 % of one core, on average since it was started Within its limit of 0.5 %');
  expect(budget('Disk writes')).toBe('Disk writes 48 MB for 41 MB that clients wrote: 1.2 times Within its limit of 1.5 times what clients write');
  host.world.status.own.memory_bytes = 41_000_000;
  host.world.status.own.written_bytes = null;
  host.emit({ event: 'status_changed' });
  await waitFor(() => expect(budget('Memory')).toBe('Memory 41 MB Over its limit of 30 MB'));
  expect(budget('Disk writes')).toBe('Disk writes this system does not tell Limit: 1.5 times what clients write');
});

test('says what prediction was worth with the base rate beside it, and not enough where it is so', async () => {
  await open('#/health');
  await screen.findAllByTestId('prediction');
  const known = found('prediction', 'data-client', 'claude-code');
  expect(textOf(known)).toMatch(/Of 412 hours foretold, 14 had a crash: the base rate is 3\.4 %\./);
  expect(textOf(known)).toContain('Right in 95.9 % of the hours. Always saying “no crash” is right in 96.6 %.');
  expect(inside(known).getAllByRole('row')).toHaveLength(4);
  expect(textOf(found('prediction', 'data-client', 'codex'))).toBe(
    'Codex In use A rule of thumb. Learning begins at 20 crashes; 1 so far. ' +
      'Its worth Not enough yet: 7 of 100 hours foretold, and 1 of 5 crashes in them. ' +
      'Foretold Not enough yet. False alarms Not enough yet.',
  );
});

test('where nothing lives and nothing was foretold, it says what will stand here', async () => {
  await open('#/health', fakeHost({ world: emptyWorld(Date.now()) }));
  expect(textOf(await screen.findByTestId('page-empty'))).toMatch(/^No chat is live While a chat runs/);
  expect(textOf(await screen.findByTestId('no-prediction'))).toMatch(/^Nothing was foretold yet/);
});

test('draws no more live chats at once than it must', async () => {
  const host = fakeHost();
  const [chat] = host.world.chats.filter((each) => each.state === 'working');
  if (!chat) throw new Error('no chat');
  for (let i = 0; i < 20; i += 1) host.world.chats.push({ ...chat, id: `${chat.id}${i}` });
  await open('#/health', host);
  expect(await screen.findAllByTestId('chat-health')).toHaveLength(12);
  await fireEvent.click(screen.getByRole('button', { name: 'Show more' }));
  expect(screen.getAllByTestId('chat-health')).toHaveLength(24);
});

test('holds each part’s place while it loads', async () => {
  const host = fakeHost();
  host.silent = true;
  await open('#/health', host);
  expect(screen.getAllByRole('status').map(textOf)).toEqual(['Loading live chats', 'Loading the prediction', 'Loading what SHIM itself uses']);
});

test('one part that cannot be loaded leaves the others', async () => {
  const host = fakeHost();
  host.failures.set('prediction', STORE_FAILURE);
  host.failures.set('signals', STORE_FAILURE);
  await open('#/health', host);
  await screen.findAllByTestId('budget');
  const errors = (await screen.findAllByTestId('part-error')).map(textOf);
  expect(errors.filter((error) => error.startsWith('Its signals could not be loaded'))).toHaveLength(6);
  expect(errors.filter((error) => error.startsWith('The prediction could not be loaded'))).toHaveLength(1);
  expect(textOf(row(6))).toContain('91 % context');
});

test('says why the live chats could not be loaded', async () => {
  const host = fakeHost();
  host.failures.set('chats', STORE_FAILURE);
  await open('#/health', host);
  expect(textOf(await screen.findByTestId('page-error'))).toMatch(/^The live chats could not be loaded/);
});

test('what is shown stays while the engine is down', async () => {
  const host = await open('#/health');
  await waitFor(() => expect(textOf(row(6))).toContain('Tool calls'));
  for (const call of ['chats', 'signals', 'prediction', 'status'] as const) host.failures.set(call, ENGINE_DOWN);
  host.engine(false);
  host.emit({ event: 'missed' });
  await waitFor(() => expect(host.called('signals')).toHaveLength(12));
  expect(screen.queryAllByTestId('part-error')).toEqual([]);
  expect(textOf(row(6))).toContain('Tool calls');
});
