import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { ENGINE_DOWN, fakeHost } from '../../host/fake';
import { calmWorld, idOf } from '../../host/fake-world';
import { chatHref } from '../../routes';
import { found, open, textOf } from '../../testing';

const field = () => screen.getByRole('combobox', { name: 'Go somewhere or do something' });
const options = () => screen.getAllByTestId('command').map(textOf);
const chosen = () => screen.getAllByRole('option').find((option) => option.getAttribute('aria-selected') === 'true');
const key = (name: string) => fireEvent.keyDown(field(), { key: name });

async function openPalette(route: string, host = fakeHost()) {
  await open(route, host);
  await screen.findAllByRole('heading', { level: 1 });
  await fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true });
  await screen.findByTestId('palette');
  await waitFor(() => expect(host.called('crashes').length + host.called('chats').length).toBeGreaterThan(1));
  return host;
}

async function write(text: string, first: string | RegExp) {
  await fireEvent.input(field(), { target: { value: text } });
  await waitFor(() => expect(options()[0]).toMatch(first));
}

test('what is to do comes first, then pages, actions and chats', async () => {
  await openPalette('#/chats');
  await waitFor(() => expect(options().length).toBeGreaterThan(20));
  expect(options().slice(0, 5)).toEqual([
    'Restore all 3 chats Action',
    'Restore “Move the billing worker to the new queue” Crash',
    'Restore “Explain why the nightly import doubles rows” Crash',
    'Restore “Rename the tenant column” Crash',
    'Home Page',
  ]);
  expect(options()).toContain('Pause watching for an hour Action');
  expect(options().find((each) => each.startsWith('Fix the flaky login test'))).toMatch(/Claude Code, Working$/);
});

test('the arrow keys choose, the screen reader is told, and Enter goes there', async () => {
  await openPalette('#/crashes');
  await write('login', /^Fix the flaky login test/);
  expect(field().getAttribute('aria-activedescendant')).toBe(chosen()?.id);
  expect(options().at(-1)).toBe('Search all chats for “login” Search');
  await key('ArrowUp');
  expect(chosen()).toBe(screen.getAllByRole('option').at(-1));
  await key('ArrowDown');
  expect(chosen()).toBe(screen.getAllByRole('option')[0]);
  expect(field().getAttribute('aria-activedescendant')).toBe(chosen()?.id);
  await key('Enter');
  await waitFor(() => expect(location.hash).toBe(chatHref(idOf(4))));
  expect(screen.queryByTestId('palette')).toBeNull();
});

test('a text that nothing is named after is searched for', async () => {
  await openPalette('#/crashes');
  await write('zzqq', /^Search all chats for “zzqq”/);
  await key('Enter');
  await waitFor(() => expect(location.hash).toBe('#/search/zzqq'));
});

test('a crash is restored from anywhere, and how it ended is told', async () => {
  const host = await openPalette('#/settings');
  await write('restore billing', /^Restore “Move the billing worker/);
  await key('Enter');
  expect(textOf(await screen.findByTestId('restore-outcome'))).toMatch(/Move the billing worker.*Restored, nothing lost/);
  expect(host.called('restore')).toEqual([
    { request: { target: '12', checkpoint: null, headless: false, then: 'idle', dry_run: false } },
  ]);
});

test('actions are done at once', async () => {
  const rows: [string, string, RegExp, string, unknown][] = [
    ['#/', 'pause', /^Pause watching/, 'pause', { seconds: 3600 }],
    ['#/', 'dark', /^Dark colours/, 'change_settings', { change: { changes: { 'desktop.theme': 'dark' }, text: null } }],
    ['#/', 'restore all', /^Restore all 3 chats/, 'begin_fleet', { options: { headless: false, then: 'idle', dry_run: false } }],
    [chatHref(idOf(4)), 'checkpoint', /^Take a checkpoint of “Fix the flaky/, 'take_checkpoint', { target: idOf(4), note: null, point: null }],
  ];
  for (const [route, text, first, call, args] of rows) {
    const host = await openPalette(route);
    await write(text, first);
    await key('Enter');
    await waitFor(() => expect(host.called(call as 'pause')).toEqual([args]));
    document.body.replaceChildren();
  }
  document.documentElement.removeAttribute('data-theme');
});

test('what could not be done is said, and what was done where it is not seen', async () => {
  const host = fakeHost({ world: calmWorld(Date.now()) });
  await host.pause({ seconds: 600 });
  host.failures.set('resume', ENGINE_DOWN);
  await openPalette('#/chats', host);
  await write('resume', /^Resume watching/);
  await key('Enter');
  expect(textOf(await screen.findByTestId('command-told'))).toBe(`Watching could not be resumed. ${ENGINE_DOWN.message} Dismiss`);
  host.failures.clear();
  await fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true });
  await write('resume', /^Resume watching/);
  await key('Enter');
  await waitFor(() => expect(textOf(found('command-told'))).toBe('SHIM watches again. Dismiss'));
});

test('Escape and the same keys close it, and the focus goes back', async () => {
  await open('#/chats');
  await screen.findAllByTestId('chat-row');
  const opener = screen.getByTestId('nav-commands');
  opener.focus();
  await fireEvent.click(opener);
  await waitFor(() => expect(document.activeElement).toBe(field()));
  await fireEvent(screen.getByTestId('palette'), new Event('cancel', { cancelable: true }));
  await waitFor(() => expect(document.activeElement).toBe(opener));
  await fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true });
  await fireEvent.keyDown(field(), { key: 'k', ctrlKey: true });
  expect(screen.queryByTestId('palette')).toBeNull();
});
