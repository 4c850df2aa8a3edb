import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import App from './App.svelte';
import { withHost } from './host/context';
import { ENGINE_DOWN, fakeHost } from './host/fake';
import { emptyWorld } from './host/fake-world';
import { found, goTo, inside, open, sleep, textOf } from './testing';

const PAGES = ['home', 'chats', 'crashes', 'health', 'experiments', 'opportunities', 'doctor', 'settings', 'search'];
const current = () => PAGES.filter((page) => screen.getByTestId(`nav-${page}`).getAttribute('aria-current') === 'page');

test('opens at home, and each page stands under its name in the navigation', async () => {
  await open('');
  await screen.findByTestId('headline');
  const links = inside(screen.getByRole('navigation')).getAllByRole('listitem');
  expect(links.map((link) => textOf(link).split(' ')[0])).toEqual(['Home', 'Chats', 'Crashes', 'Health', 'Experiments', 'Opportunities', 'Doctor', 'Settings']);
  expect(current()).toEqual(['home']);
  for (const [route, shows, page] of [
    ['#/chats', 'chat-row', 'chats'],
    ['#/crashes', 'crash-row', 'crashes'],
    ['#/crashes/12', 'crash-kind', 'crashes'],
    ['#/health', 'chat-health', 'health'],
    ['#/experiments', 'experiment', 'experiments'],
    ['#/experiments/5', 'experiment', 'experiments'],
    ['#/opportunities', 'opportunity', 'opportunities'],
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

test('`/` searches from anywhere, but not while one writes', async () => {
  await open('#/chats');
  await screen.findAllByTestId('chat-row');
  const filter = screen.getByRole('searchbox', { name: /^Filter/ });
  filter.focus();
  expect(await fireEvent.keyDown(filter, { key: '/' })).toBe(true);
  expect(location.hash).toBe('#/chats');

  await goTo('#/crashes');
  expect(await fireEvent.keyDown(document.body, { key: '/' })).toBe(false);
  const field = await screen.findByRole('searchbox', { name: 'Search in all chats' });
  await waitFor(() => expect(document.activeElement).toBe(field));
  field.blur();
  await fireEvent.keyDown(document.body, { key: '/' });
  await waitFor(() => expect(document.activeElement).toBe(screen.getByRole('searchbox')));
});

test('g and a letter lead to a page, ? shows which', async () => {
  await open('');
  await screen.findByTestId('headline');
  await fireEvent.keyDown(document.body, { key: 'g' });
  await fireEvent.keyDown(document.body, { key: 'x' });
  await screen.findAllByTestId('crash-row');
  await fireEvent.keyDown(document.body, { key: '?' });
  const shown = screen.getByTestId('shortcuts');
  expect(textOf(shown)).toContain('gx Crashes');
  await fireEvent.keyDown(document.body, { key: 'g' });
  await fireEvent.keyDown(document.body, { key: 'h' });
  expect(location.hash).toBe('#/crashes');
  await fireEvent(shown, new Event('cancel', { cancelable: true }));
  expect(screen.queryByTestId('shortcuts')).toBeNull();
});

test('says on every page that a recorded week is shown, and only then', async () => {
  const host = fakeHost();
  host.world.status.engine.demo = true;
  await open('', host);
  expect(textOf(await screen.findByTestId('demo'))).toBe('This is the demo: a recorded week, nothing of this machine.');
  await goTo('#/settings');
  expect(screen.getByTestId('demo')).toBeTruthy();
  host.world.status.engine.demo = false;
  host.emit({ event: 'status_changed' });
  await waitFor(() => expect(screen.queryByTestId('demo')).toBeNull());
});

test('another language loads the pages anew, once it is set', async () => {
  const host = fakeHost();
  const reload = vi.fn();
  location.hash = '';
  await sleep(0);
  render(App, { props: { reload }, context: withHost(host) });
  await screen.findByTestId('headline');
  await host.change_settings({ change: { changes: { 'desktop.language': 'en', 'desktop.theme': 'dark' }, text: null } });
  await waitFor(() => expect(document.documentElement.dataset['theme']).toBe('dark'));
  expect(reload).not.toHaveBeenCalled();
  await host.change_settings({ change: { changes: { 'desktop.language': 'de' }, text: null } });
  await waitFor(() => expect(reload).toHaveBeenCalled());
  expect(document.documentElement.lang).toBe('de');
  document.documentElement.removeAttribute('data-theme');
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
