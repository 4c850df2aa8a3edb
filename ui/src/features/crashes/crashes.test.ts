import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeHost, STORE_FAILURE } from '../../host/fake';
import { idOf } from '../../host/fake-world';
import { found, inside, open, sleep, textOf } from '../../testing';

const row = (n: number) => found('crash-row', 'data-crash', n);

test('lists open crashes first, each with kind, what was in flight and when it was noticed', async () => {
  await open('#/crashes');
  const rows = await screen.findAllByTestId('crash-row');
  expect(rows.map((each) => each.getAttribute('data-crash'))).toEqual(['12', '11', '9', '10', '7', '5']);
  expect(textOf(row(12))).toMatch(
    /^Open Move the billing worker to the new queue Killed in a tool: Bash \d+ s ago noticed after 14 ms Restore$/,
  );
  expect(textOf(row(7))).toBe('Resumed Port the colour picker Shutdown between turns 2 d ago noticed after 9 h');
  expect(inside(row(10)).queryByTestId('restore-button')).toBeNull();
});

test('says above the list what crashed in the same way more than once', async () => {
  const host = await open('#/crashes');
  const groups = await screen.findAllByTestId('fingerprint');
  expect(groups.map(textOf)).toEqual([
    expect.stringMatching(/^Claude Code 2.1.329 froze 6 times since Tuesday 4 × 1 to 2 GB of memory last 2 h ago$/),
    expect.stringMatching(/^Claude Code 2.1.329 was killed twice since yesterday 2 × in Bash last \d+ s ago$/),
  ]);
  expect(host.called('fingerprints')).toEqual([{ offset_minutes: -new Date().getTimezoneOffset() }]);

  for (const group of host.world.fingerprints) group.count = 1;
  const [first] = host.world.crashes;
  if (!first) throw new Error('no crash');
  host.emit({ event: 'crash_recorded', crash: first });
  await waitFor(() => expect(screen.queryByTestId('fingerprint')).toBeNull());
});

test('says that what crashed again and again could not be loaded', async () => {
  const host = fakeHost();
  host.failures.set('fingerprints', { code: 'store', message: 'the disk is full', details: null });
  await open('#/crashes', host);
  expect(textOf(await screen.findByTestId('part-error'))).toMatch(/^What happened again and again could not be loaded\. the disk is full/);
  expect(await screen.findAllByTestId('crash-row')).not.toEqual([]);
});

test('restores a crash from the list by its number', async () => {
  const host = await open('#/crashes');
  await screen.findAllByTestId('crash-row');
  await fireEvent.click(inside(row(11)).getByTestId('restore-button'));
  const outcome = await screen.findByTestId('restore-outcome');
  expect(inside(outcome).getByRole('link').getAttribute('href')).toBe('#/crashes/11');
  expect(host.called('restore')).toEqual([
    { request: { target: '11', checkpoint: null, headless: false, then: 'idle', dry_run: false } },
  ]);
  await waitFor(() => expect(textOf(row(11))).toMatch(/^Restored /));
});

test('a new crash appears by its event; growth of a healthy chat fetches nothing', async () => {
  const host = await open('#/crashes');
  await screen.findAllByTestId('crash-row');
  host.emit({ event: 'chat_changed', chat: idOf(4) });
  await sleep(200);
  expect(host.called('crashes')).toHaveLength(1);

  const [first] = host.world.crashes;
  if (!first) throw new Error('no crash');
  const crash = { ...first, id: 13 };
  host.world.crashes.push(crash);
  host.emit({ event: 'crash_recorded', crash });
  await waitFor(() => expect(row(13)).toBeTruthy());
});

test('a chat that goes on resolves its crash', async () => {
  const host = await open('#/crashes');
  await screen.findAllByTestId('crash-row');
  for (const crash of host.world.crashes) if (crash.id === 12) crash.resolved = true;
  host.emit({ event: 'chat_changed', chat: idOf(1) });
  await waitFor(() => expect(textOf(row(12))).toMatch(/^Resumed /));
});

test('shows a crash with its evidence and what was in flight', async () => {
  await open('#/crashes/12');
  expect(textOf(await screen.findByTestId('crash-kind'))).toBe('Killed');
  expect(textOf(screen.getByRole('heading', { level: 1 }))).toBe('Killed in a tool');
  expect(screen.getAllByTestId('evidence').map(textOf)).toEqual([
    'process process 41001 was ended by signal 9',
    'registry the client left its registry file behind, status busy',
    'transcript tool call without a result: Bash',
  ]);
  expect(textOf(screen.getByTestId('crash-in-flight'))).toContain('Bash command npm run test:all -- --reporter=dot');
  expect(screen.queryByTestId('receipt')).toBeNull();
});

test('previews, then restores as chosen, and shows the receipt', async () => {
  const host = await open('#/crashes/12');
  await screen.findByTestId('crash-kind');
  await fireEvent.click(screen.getByRole('radio', { name: 'Continue' }));
  await fireEvent.click(screen.getByTestId('preview-button'));
  expect((await screen.findAllByTestId('preview-step')).length).toBeGreaterThan(5);
  expect(screen.queryByTestId('receipt')).toBeNull();
  expect(host.world.crashes.find((crash) => crash.id === 12)?.resolved).toBe(false);

  await fireEvent.click(screen.getByTestId('restore-button'));
  const receipt = await screen.findByTestId('receipt');
  const request = { target: '12', checkpoint: null, headless: false, then: 'continue' };
  expect(host.called('restore')).toEqual([
    { request: { ...request, dry_run: true } },
    { request: { ...request, dry_run: false } },
  ]);
  expect(receipt.getAttribute('data-ok')).toBe('true');
  expect(textOf(screen.getByTestId('receipt-turns-lost'))).toBe('0 turns');
  expect(screen.getAllByTestId('receipt-step').map((step) => step.getAttribute('data-ok'))).toEqual(Array(10).fill('true'));
  expect(textOf(receipt)).toContain('9f2c4e0d6b1a →, after 9f2c4e0d6b1a same');
  expect(textOf(receipt)).toContain("Took 2.4 s, of it 2.2 s the client’s start");
  await waitFor(() => expect(screen.queryByTestId('restore-button')).toBeNull());
  expect(screen.getByTestId('receipt')).toBeTruthy();
});

test('a refused and a failed restore leave a receipt that says why', async () => {
  await open('#/crashes/9');
  const refused = await screen.findByTestId('receipt');
  expect(refused.getAttribute('data-ok')).toBe('false');
  expect(textOf(refused)).toMatch(/Refused: its folder is gone The folder .* does not exist/);
  expect(textOf(screen.getByTestId('receipt-turns-lost'))).toBe('not counted');
  expect(screen.getByTestId('restore-button')).toBeTruthy();

  location.hash = '#/crashes/11';
  await waitFor(() => expect(textOf(screen.getByTestId('receipt'))).toContain('Failed at the step “registered”'));
});

test('lost turns are said', async () => {
  await open('#/crashes/5');
  const receipt = await screen.findByTestId('receipt');
  expect(textOf(receipt)).toContain('Restored, 1 turn lost');
  expect(textOf(receipt)).toContain('51b8d0aa7e3f differs');
});

test('a restore that could not be asked for says why', async () => {
  const host = await open('#/crashes/12');
  await screen.findByTestId('crash-kind');
  host.failures.set('restore', STORE_FAILURE);
  await fireEvent.click(screen.getByTestId('restore-button'));
  expect(textOf(await screen.findByTestId('restore-error'))).toBe(STORE_FAILURE.message);
});

test('says that there is no such crash, and why crashes could not be loaded', async () => {
  await open('#/crashes/999');
  expect(textOf(await screen.findByTestId('page-empty'))).toContain('no crash with the number 999');
});

test('shows why the crashes could not be loaded, and tries again', async () => {
  const host = fakeHost();
  host.failures.set('crashes', STORE_FAILURE);
  await open('#/crashes', host);
  expect(textOf(await screen.findByTestId('page-error'))).toContain(STORE_FAILURE.message);
  host.failures.clear();
  await fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
  expect(await screen.findAllByTestId('crash-row')).toHaveLength(6);
});

test('the history is drawn by day and kind, over as many days as one likes, and told as a table', async () => {
  const host = await open('#/crashes');
  const chart = await screen.findByTestId('chart');
  expect(inside(chart).getByRole('img', { name: 'Crashes by day' }).querySelectorAll('svg > rect')).toHaveLength(30);
  const offset_minutes = -new Date().getTimezoneOffset();
  expect(host.called('crash_chart')).toEqual([{ days: 30, offset_minutes }]);
  const spans = inside(screen.getByRole('group', { name: 'Over how many days' }));
  expect(spans.getAllByRole('button').map((each) => [textOf(each), each.getAttribute('aria-pressed')])).toEqual([
    ['7 days', 'false'],
    ['30 days', 'true'],
    ['90 days', 'false'],
  ]);
  await fireEvent.click(spans.getByRole('button', { name: /^7/ }));
  await waitFor(() => expect(screen.getByTestId('chart').querySelectorAll('svg > rect')).toHaveLength(7));
  expect(host.called('crash_chart').at(-1)).toEqual({ days: 7, offset_minutes });

  const toggle = inside(screen.getByTestId('chart')).getByRole('button', { name: 'Show as table' });
  await fireEvent.click(toggle);
  const table = screen.getByRole('table', { name: 'Crashes by day (crashes)' });
  expect(inside(table).getAllByRole('columnheader').map(textOf)).toEqual(['Day', 'Exited', 'Killed', 'Shutdown']);
  const rows = inside(table).getAllByRole('row').slice(1).map(textOf);
  const days = rows.map((row) => row.slice(0, 10));
  expect(days).toEqual([...days].sort().reverse());
  const counted = inside(table).getAllByRole('cell').map((cell) => Number(textOf(cell)));
  expect(counted.reduce((sum, n) => sum + n, 0)).toBe(5);
  expect(toggle.getAttribute('aria-pressed')).toBe('true');
});

test('a new crash is drawn, a picture that is none is not, and one that cannot be had is said', async () => {
  const host = await open('#/crashes');
  await screen.findByTestId('chart');
  const [first] = host.world.crashes;
  if (!first) throw new Error('no crash');
  host.emit({ event: 'crash_recorded', crash: first });
  await waitFor(() => expect(host.called('crash_chart')).toHaveLength(2));

  host.failures.set('crash_chart', STORE_FAILURE);
  host.emit({ event: 'crash_recorded', crash: first });
  expect(textOf(await screen.findByTestId('part-error'))).toContain('The history of crashes could not be refreshed');
  host.failures.clear();
  host.crash_chart = () => Promise.resolve({ title: '', svg: '<script/>', unit: '', series: [], rows: [] });
  await fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
  await waitFor(() => expect(textOf(screen.getByTestId('chart'))).toContain('The picture cannot be shown'));
});
