import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { ENGINE_DOWN, fakeHost, STORE_FAILURE } from '../../host/fake';
import { calmWorld, emptyWorld, freshWorld, idOf } from '../../host/fake-world';
import { chatHref } from '../../routes';
import { found, inside, open, textOf } from '../../testing';

const headline = () => textOf(screen.getByTestId('headline'));
const glance = () => textOf(screen.getByTestId('glance'));
const kinds = () => screen.queryAllByTestId('need').map((need) => need.getAttribute('data-kind'));
const hrefs = (element: HTMLElement) => inside(element).getAllByRole('link').map((link) => link.getAttribute('href'));

test('a calm day is one friendly sentence', async () => {
  await open('#/', fakeHost({ world: calmWorld(Date.now()) }));
  await screen.findByTestId('headline');
  expect(headline()).toBe('All is well');
  expect(glance()).toBe('3 chats are alive. Nothing crashed in the last 7 days. Nothing waits for you.');
  expect(kinds()).toEqual([]);
  expect(textOf(screen.getByTestId('lately'))).toBe('The last 7 days All crashes Nothing crashed.');
  expect(inside(screen.getByRole('main')).queryByRole('button')).toBeNull();
});

test('a busy day lists what is to do, what is lost first, each with its way there', async () => {
  await open('#/');
  await screen.findByTestId('headline');
  expect(headline()).toBe('9 things for you');
  expect(glance()).toBe('6 chats are alive. 5 crashes in the last 7 days.');
  expect(kinds()).toEqual(['crash', 'crash', 'crash', 'hung', 'waiting', 'limit', 'deletion', 'finding', 'finding']);
  const needs = screen.getAllByTestId('need');
  expect(needs.map((need) => hrefs(need)[0])).toEqual([
    '#/crashes/12',
    '#/crashes/11',
    '#/crashes/9',
    chatHref(idOf(9)),
    chatHref(idOf(5)),
    chatHref(idOf(7)),
    '#/doctor',
    '#/doctor',
    '#/doctor',
  ]);
  expect(needs.map(textOf)).toEqual([
    expect.stringMatching(/^Crashed Move the billing worker to the new queue Killed in a tool \d+ s ago Restore$/),
    expect.stringMatching(/Killed in an answer 4 min ago\. Last try: Failed at the step “registered” Restore$/),
    expect.stringMatching(/Last try: Refused: its folder is gone Restore$/),
    expect.stringMatching(/^Hung Draw the dependency graph It does nothing in the middle of a turn; moved last 17 min ago$/),
    expect.stringMatching(/^Waiting .* Waits for your permission or answer; moved last 1 min ago$/),
    expect.stringMatching(/^Usage limit Restored: parser .* You’ve hit your session limit\. It ends at .*\d\d:\d\d$/),
    expect.stringMatching(/^Goes soon 3 chats will be deleted by Claude Code from 2026-11-24 on; .* Go on with one to keep it, or shim undelete it/),
    expect.stringMatching(/^To mend The program of Codex was not found Install it, or name it/),
    expect.stringMatching(/^To mend SHIM’s entries, .* run shim install hooks|^To mend SHIM’s entries, .* Run shim install hooks/),
  ]);
});

test('says for each client how its live chats are, and where each number comes from', async () => {
  await open('#/');
  const alive = await screen.findByTestId('alive');
  expect(textOf(alive)).toMatch(/SHIM’s engine watching, up since 5 h ago/);
  const links = inside(found('client', 'data-client', 'claude-code')).getAllByRole('link');
  expect(links.map(textOf)).toEqual(['Claude Code', '2 working', '1 waiting', '2 idle', '1 hung', '1 unknown']);
  expect(textOf(found('client', 'data-client', 'codex'))).toBe('Codex no live chat');
  expect(hrefs(found('client', 'data-client', 'claude-code'))).toEqual(
    ['', '&state=working', '&state=waiting', '&state=idle', '&state=hung', '&state=unknown'].map(
      (state) => `#/chats?${state === '' ? '' : `${state.slice(1)}&`}client=claude-code`,
    ),
  );
  expect(textOf(alive)).toContain('Not here: Gemini CLI, opencode, Claude Desktop.');

  await fireEvent.click(inside(found('client', 'data-client', 'claude-code')).getByRole('link', { name: '2 working' }));
  await waitFor(() => expect(screen.getAllByTestId('chat-row')).toHaveLength(2));
  expect(screen.getByTestId('filter-working').getAttribute('aria-pressed')).toBe('true');
});

test('tells the newest crashes and restores, each a link to its evidence', async () => {
  await open('#/');
  await screen.findByTestId('lately');
  const rows = screen.getAllByTestId('happening');
  expect(rows.map((row) => [row.getAttribute('data-kind'), hrefs(row)[0], textOf(inside(row).getByRole('link'))])).toEqual([
    ['crash', '#/crashes/12', 'Killed in a tool'],
    ['restore', '#/crashes/11', 'Failed at the step “registered”'],
    ['crash', '#/crashes/11', 'Killed in an answer'],
    ['restore', '#/crashes/10', 'Restored, nothing lost'],
    ['crash', '#/crashes/10', 'Killed in a tool'],
    ['restore', '#/crashes/9', 'Refused: its folder is gone'],
    ['crash', '#/crashes/9', 'Exited in a tool'],
    ['crash', '#/crashes/7', 'Shutdown between turns'],
  ]);
});

test('a crash is restored with one click, and is no longer to do', async () => {
  const host = await open('#/');
  const [first] = await screen.findAllByTestId('need');
  if (!first) throw new Error('nothing to do');
  await fireEvent.click(inside(first).getByTestId('restore-button'));
  expect(textOf(await screen.findByTestId('restore-outcome'))).toMatch(/Restored, nothing lost\. Read the receipt/);
  expect(host.called('restore')).toEqual([
    { request: { target: '12', checkpoint: null, headless: false, then: 'idle', dry_run: false } },
  ]);
  await waitFor(() => expect(headline()).toBe('8 things for you'));
});

test('many of one kind are cut short, with the way to the rest', async () => {
  const host = fakeHost();
  const [crash] = host.world.crashes;
  if (!crash) throw new Error('no crash');
  for (let id = 100; id < 106; id += 1) host.world.crashes.push({ ...crash, id });
  await open('#/', host);
  const rest = await screen.findByTestId('need-rest');
  expect(textOf(rest)).toBe('5 more crashes to restore');
  expect(hrefs(rest)).toEqual(['#/crashes']);
  expect(headline()).toBe('15 things for you');
});

test('a machine without a client is welcomed, and told what to do', async () => {
  await open('#/', fakeHost({ world: freshWorld(Date.now()) }));
  const empty = await screen.findByTestId('page-empty');
  expect(textOf(screen.getByRole('heading', { level: 1 }))).toBe('Welcome to SHIM');
  expect(textOf(empty)).toMatch(/No AI client is here yet Install Claude Code, .* start a chat/);
  expect(hrefs(empty)).toEqual(['#/doctor', '#/welcome']);
});

test('a client without a chat yet is no reason to worry', async () => {
  await open('#/', fakeHost({ world: emptyWorld(Date.now()) }));
  await screen.findByTestId('headline');
  expect([headline(), glance()]).toEqual([
    'All is well',
    'No chat is open at the moment. Nothing crashed in the last 7 days. Nothing waits for you.',
  ]);
});

test('holds the place until all is known, and says nothing is well before', async () => {
  const host = fakeHost({ world: calmWorld(Date.now()) });
  host.silent = true;
  await open('#/', host);
  expect(textOf(screen.getByRole('main'))).toBe('Home Loading what is alive, what happened and what is to do');
  expect(screen.queryByTestId('headline')).toBeNull();
});

test('says why chats and crashes could not be loaded, and tries again', async () => {
  const host = fakeHost({ world: calmWorld(Date.now()) });
  host.failures.set('crashes', STORE_FAILURE);
  await open('#/', host);
  expect(textOf(await screen.findByTestId('page-error'))).toMatch(/^Chats and crashes could not be loaded\. .*disk I\/O error/);
  expect(screen.queryByTestId('headline')).toBeNull();
  expect(textOf(screen.getByRole('heading', { level: 1 }))).toBe('Home');
  host.failures.clear();
  await fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
  await screen.findByTestId('headline');
});

test('without the doctor’s word nothing is said to be well', async () => {
  const host = fakeHost({ world: calmWorld(Date.now()) });
  host.failures.set('doctor', STORE_FAILURE);
  await open('#/', host);
  await screen.findByTestId('headline');
  expect(headline()).toBe('No chat needs you');
  expect(glance()).not.toContain('Nothing waits');
  expect(textOf(screen.getByTestId('part-error'))).toContain('What the doctor finds could not be loaded');
});

test('while watching is paused nothing is said to be well', async () => {
  const host = await open('#/', fakeHost({ world: calmWorld(Date.now()) }));
  await screen.findByTestId('headline');
  await host.pause({ seconds: 600 });
  await waitFor(() => expect(headline()).toBe('Nothing is watched right now'));
  expect(glance()).not.toContain('Nothing waits');
  expect(textOf(screen.getByTestId('alive'))).toContain('SHIM’s engine up, watching is paused');
});

test('while the engine is down nothing is said to be watched', async () => {
  const host = await open('#/', fakeHost({ world: calmWorld(Date.now()) }));
  await screen.findByTestId('headline');
  for (const call of ['chats', 'crashes', 'doctor', 'status'] as const) host.failures.set(call, ENGINE_DOWN);
  host.engine(false);
  await waitFor(() => expect(headline()).toBe('Nothing is watched right now'));
  expect(textOf(screen.getByTestId('alive'))).toContain('SHIM’s engine down, being started again');
});
