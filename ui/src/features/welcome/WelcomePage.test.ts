import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeHost, STORE_FAILURE, unwelcomed } from '../../host/fake';
import { calmWorld, emptyWorld, freshWorld } from '../../host/fake-world';
import { goTo, inside, open, textOf } from '../../testing';

const first = (world = emptyWorld(Date.now())) => fakeHost({ world: unwelcomed(world) });

test('the first start is welcomed, and blocks nothing', async () => {
  await open('', first());
  expect(await screen.findByRole('heading', { level: 1, name: 'Welcome to SHIM' })).toBeTruthy();
  expect((await screen.findAllByTestId('found-client')).map(textOf)).toEqual([
    expect.stringMatching(/^Claude Code .*claude Chats in \/home\/ada\/\.claude$/),
    expect.stringMatching(/^Codex/),
  ]);
  expect(textOf(screen.getByRole('region', { name: 'What SHIM never does' }))).toContain('It sends nothing anywhere');
  expect(textOf(screen.getByRole('region', { name: 'Privacy' }))).toContain('Nothing leaves this machine through SHIM');
  await goTo('#/settings');
  await screen.findByTestId('setting-api.port');
  await goTo('#/');
  expect(await screen.findByTestId('welcome')).toBeTruthy();
});

test('who was welcomed sees home, and may look again', async () => {
  await open('', fakeHost({ world: calmWorld(Date.now()) }));
  await screen.findByTestId('headline');
  expect(screen.queryByTestId('welcome')).toBeNull();
  await goTo('#/welcome');
  expect(await screen.findByTestId('welcome')).toBeTruthy();
  expect(screen.getByTestId('nav-home').getAttribute('aria-current')).toBe('page');
});

test('an engine without that setting, or without settings, opens at home', async () => {
  const older = first(calmWorld(Date.now()));
  older.world.settings.keys = older.world.settings.keys.filter(({ name }) => name !== 'desktop.welcomed');
  const failing = first(calmWorld(Date.now()));
  failing.failures.set('settings', STORE_FAILURE);
  for (const host of [older, failing]) {
    await open('', host);
    await screen.findByTestId('headline');
    expect(screen.queryByTestId('welcome')).toBeNull();
    document.body.replaceChildren();
  }
});

test('Done and Skip lead home, and are remembered', async () => {
  for (const name of ['Done', 'Skip']) {
    const host = first(calmWorld(Date.now()));
    await open('', host);
    await fireEvent.click(inside(await screen.findByTestId('welcome')).getByRole('button', { name }));
    await screen.findByTestId('headline');
    expect(host.called('change_settings')).toEqual([{ change: { changes: { 'desktop.welcomed': true }, text: null } }]);
    expect(document.activeElement).toBe(screen.getByRole('main'));
    document.body.replaceChildren();
  }
});

test('leads home also where that cannot be remembered, and says so', async () => {
  const host = first(calmWorld(Date.now()));
  host.failures.set('change_settings', STORE_FAILURE);
  await open('', host);
  await fireEvent.click(inside(await screen.findByTestId('welcome')).getByRole('button', { name: 'Done' }));
  await screen.findByTestId('headline');
  expect(textOf(await screen.findByTestId('command-told'))).toMatch(/^The welcome will be shown once more: .*disk I\/O error/);
});

test('a machine without a client is told kindly what to do', async () => {
  await open('', first(freshWorld(Date.now())));
  expect(textOf(await screen.findByTestId('no-client'))).toMatch(/^No AI client is here yet, and that is fine\. Install Claude Code, .* SHIM notices by itself\./);
  expect(await screen.findByText('No client was found that could be told of SHIM.')).toBeTruthy();
});

test('each part is shown before it is installed, one by one', async () => {
  const host = first();
  await open('', host);
  const offers = await screen.findAllByTestId('offer');
  expect(offers.map((each) => each.getAttribute('data-standing'))).toEqual(['installed', 'absent', 'absent', 'absent', 'absent']);
  const service = screen.getByRole('region', { name: 'Service' });
  await fireEvent.click(inside(service).getByRole('button', { name: 'Show what would change: Service' }));
  await fireEvent.click(await inside(service).findByRole('button', { name: 'Do it' }));
  expect(textOf(await inside(service).findByTestId('install-result'))).toBe('Service: written. Dismiss');
  await waitFor(() => expect(inside(service).getByTestId('offer').getAttribute('data-standing')).toBe('installed'));
  expect(host.called('install')).toHaveLength(2);

  await fireEvent.click(screen.getByRole('switch', { name: 'Start the tray when you log in' }));
  await waitFor(() => expect(host.called('change_settings')).toEqual([{ change: { changes: { 'desktop.autostart': true }, text: null } }]));
});
