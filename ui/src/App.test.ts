import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { ENGINE_DOWN, fakeHost } from './host/fake';
import { emptyWorld } from './host/fake-world';
import { found, goTo, inside, open, sleep, textOf } from './testing';

const PAGES = ['home', 'chats', 'crashes', 'health', 'doctor', 'settings', 'search'];
const current = () => PAGES.filter((page) => screen.getByTestId(`nav-${page}`).getAttribute('aria-current') === 'page');

test('opens at home, and each page stands under its name in the navigation', async () => {
  await open('');
  await screen.findByTestId('headline');
  const links = inside(screen.getByRole('navigation')).getAllByRole('listitem');
  expect(links.map((link) => textOf(link).split(' ')[0])).toEqual(['Home', 'Chats', 'Crashes', 'Health', 'Doctor', 'Settings']);
  expect(current()).toEqual(['home']);
  for (const [route, shows, page] of [
    ['#/chats', 'chat-row', 'chats'],
    ['#/crashes', 'crash-row', 'crashes'],
    ['#/crashes/12', 'crash-kind', 'crashes'],
    ['#/health', 'chat-health', 'health'],
    ['#/doctor', 'finding', 'doctor'],
    ['#/settings', 'setting-policy.auto_restore', 'settings'],
    ['#/search', 'search-says', 'search'],
    ['#/nowhere', 'headline', 'home'],
  ] as const) {
    await goTo(route);
    await screen.findAllByTestId(shows);
    expect([route, current()]).toEqual([route, [page]]);
  }
  await goTo('#/crashes');
  expect((await screen.findAllByTestId('crash-row')).length).toBe(6);
  expect(document.activeElement).toBe(screen.getByRole('main'));
});

test('counts the open crashes in the navigation', async () => {
  await open('');
  await waitFor(() => expect(textOf(screen.getByTestId('nav-crashes'))).toBe('Crashes 3 open'));
});

test('follows the tray and the notification to a crash', async () => {
  const host = await open('');
  host.navigate('/crashes/9');
  expect(textOf(await screen.findByTestId('crash-kind'))).toBe('Exited');
  expect(location.hash).toBe('#/crashes/9');
});

test('says that the engine is down, and fetches anew when it is back', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  expect(screen.queryByTestId('engine-down')).toBeNull();

  host.failures.set('chats', ENGINE_DOWN);
  host.engine(false);
  expect(textOf(await screen.findByTestId('engine-down'))).toMatch(/engine is down.*started again/);
  host.emit({ event: 'missed' });
  await waitFor(() => expect(host.called('chats')).toHaveLength(2));
  expect(screen.getAllByTestId('chat-row').length).toBeGreaterThan(10);
  expect(screen.queryByTestId('page-error')).toBeNull();

  host.failures.clear();
  host.engine(true);
  await waitFor(() => expect(screen.queryByTestId('engine-down')).toBeNull());
  await waitFor(() => expect(host.called('chats')).toHaveLength(3));
  await waitFor(() => expect(host.called('status').length).toBeGreaterThan(1));
});

test('knows an engine that was down before the window opened', async () => {
  const host = fakeHost();
  for (const call of ['status', 'chats'] as const) host.failures.set(call, ENGINE_DOWN);
  await open('#/chats', host);
  expect(await screen.findByTestId('engine-down')).toBeTruthy();

  host.failures.clear();
  host.engine(true);
  await screen.findAllByTestId('chat-row');
  await waitFor(() => expect(screen.queryByTestId('engine-down')).toBeNull());
});

test('shows a lone call that did not reach the engine, as no banner says it', async () => {
  const host = await open('#/chats');
  await screen.findAllByTestId('chat-row');
  host.failures.set('chats', ENGINE_DOWN);
  host.emit({ event: 'chat_changed', chat: 'claude-code:any' });
  expect(textOf(await screen.findByTestId('page-error'))).toContain(ENGINE_DOWN.message);
  expect(screen.queryByTestId('engine-down')).toBeNull();
});

test('says until when watching is paused, and resumes it', async () => {
  const host = await open('#/chats');
  await host.pause({ seconds: 600 });
  const banner = await screen.findByTestId('paused');
  expect(textOf(banner)).toMatch(/^Watching is paused until \d\d:\d\d:\d\d/);
  await fireEvent.click(inside(banner).getByRole('button', { name: 'Resume' }));
  await waitFor(() => expect(screen.queryByTestId('paused')).toBeNull());
  expect(host.called('resume')).toHaveLength(1);

  await host.pause({ seconds: null });
  expect(textOf(await screen.findByTestId('paused'))).toMatch(/until it is resumed/);
});

test('says why watching could not be resumed', async () => {
  const host = await open('#/chats');
  await host.pause({ seconds: 600 });
  host.failures.set('resume', ENGINE_DOWN);
  const banner = await screen.findByTestId('paused');
  await fireEvent.click(inside(banner).getByRole('button', { name: 'Resume' }));
  await waitFor(() => expect(textOf(banner)).toContain(ENGINE_DOWN.message));
});

test('`/` and Ctrl K search from anywhere, but not while one writes', async () => {
  await open('#/chats');
  await screen.findAllByTestId('chat-row');
  const filter = screen.getByRole('searchbox', { name: /^Filter/ });
  filter.focus();
  expect(await fireEvent.keyDown(filter, { key: '/' })).toBe(true);
  expect(location.hash).toBe('#/chats');

  expect(await fireEvent.keyDown(filter, { key: 'k', ctrlKey: true })).toBe(false);
  const field = await screen.findByRole('searchbox', { name: 'Search in all chats' });
  await waitFor(() => expect(document.activeElement).toBe(field));

  await goTo('#/crashes');
  await fireEvent.keyDown(document.body, { key: '/' });
  expect(await screen.findByRole('searchbox', { name: 'Search in all chats' })).toBeTruthy();
  field.blur();
  await fireEvent.keyDown(document.body, { key: 'K', metaKey: true });
  await waitFor(() => expect(document.activeElement).toBe(screen.getByRole('searchbox')));
});

test('shows the warnings of the engine', async () => {
  const host = fakeHost();
  host.world.status.warnings.push('the disk is full');
  await open('#/chats', host);
  expect(textOf(await screen.findByTestId('warning'))).toBe('the disk is full');
});

test('says what will appear where there is nothing yet', async () => {
  await open('#/chats', fakeHost({ world: emptyWorld(Date.now()) }));
  expect(textOf(await screen.findByTestId('page-empty'))).toMatch(/No chats yet.*appear here/);
  await goTo('#/crashes');
  await waitFor(() => expect(textOf(found('page-empty'))).toMatch(/No crashes so far.*appears here/));
});

test('asks for nothing while nothing happens', async () => {
  const host = await open('');
  await screen.findByTestId('headline');
  await waitFor(() => expect(host.called('status')).toHaveLength(1));
  const asked = host.calls.length;
  await sleep(600);
  expect(host.calls).toHaveLength(asked);
});
