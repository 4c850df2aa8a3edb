import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { emptyWorld } from '../../host/fake-world';
import { fakeHost } from '../../host/fake';
import { inside, open, textOf } from '../../testing';
import { grouped, titleOf } from './groups';

const row = (name: string) => screen.findByTestId(`setting-${name}`);

test('shows every key by what it is about, with its words, default and way back', async () => {
  const host = await open('#/settings');
  const policy = await row('policy.auto_restore');
  expect(screen.getAllByRole('region').map((each) => each.getAttribute('aria-label'))).toEqual([
    'Bringing chats back',
    'The window',
    'Experiments',
    'Clients and folders',
    'The engine',
  ]);
  expect(textOf(policy)).toContain('Policy: auto restore');
  expect(textOf(policy)).toContain('policy.auto_restore · default off');
  expect(inside(policy).getByRole<HTMLSelectElement>('combobox').value).toBe('once');
  expect(inside(policy).getByRole<HTMLButtonElement>('button').disabled).toBe(false);
  expect(inside(await row('policy.delay_seconds')).getByRole<HTMLButtonElement>('button').disabled).toBe(true);
  expect(screen.getAllByTestId(/^setting-/)).toHaveLength(host.world.settings.keys.length);
});

test('saves a change at once, and can take it back', async () => {
  const host = await open('#/settings');
  const field = inside(await row('policy.delay_seconds')).getByRole<HTMLInputElement>('spinbutton');
  await fireEvent.change(field, { target: { value: '20' } });
  expect(host.called('change_settings')).toEqual([{ change: { changes: { 'policy.delay_seconds': 20 }, text: null } }]);
  await waitFor(async () => expect(inside(await row('policy.delay_seconds')).getByRole<HTMLButtonElement>('button').disabled).toBe(false));
  await fireEvent.click(inside(await row('policy.delay_seconds')).getByRole('button'));
  expect(host.called('change_settings').at(-1)).toEqual({ change: { changes: { 'policy.delay_seconds': null }, text: null } });
  await waitFor(async () => expect(inside(await row('policy.delay_seconds')).getByRole<HTMLInputElement>('spinbutton').value).toBe('3'));
});

test('says beside the key what is wrong with a value, and saves nothing', async () => {
  const host = await open('#/settings');
  const field = inside(await row('policy.delay_seconds')).getByRole<HTMLInputElement>('spinbutton');
  await fireEvent.change(field, { target: { value: '601' } });
  const said = await screen.findByRole('alert');
  expect(textOf(said)).toBe('Not saved: must be a whole number from 0 to 600');
  expect(field.getAttribute('aria-describedby')).toContain(said.id);
  expect(host.world.settings.keys.find((key) => key.name === 'policy.delay_seconds')?.value).toBeNull();
});

test('a field can be typed on in while it is saved', async () => {
  const host = await open('#/settings');
  const field = inside(await row('policy.delay_seconds')).getByRole<HTMLInputElement>('spinbutton');
  host.silent = true;
  await fireEvent.change(field, { target: { value: '20' } });
  expect(host.called('change_settings')).toHaveLength(1);
  expect(field.disabled).toBe(false);
});

test('an answer to an earlier change does not write over what is being typed', async () => {
  const host = await open('#/settings');
  const field = inside(await row('policy.delay_seconds')).getByRole<HTMLInputElement>('spinbutton');
  await fireEvent.change(field, { target: { value: '20' } });
  await fireEvent.input(field, { target: { value: '201' } });
  await waitFor(() => expect(host.called('settings').length).toBeGreaterThan(1));
  await waitFor(async () => expect(inside(await row('policy.delay_seconds')).getByRole<HTMLButtonElement>('button').disabled).toBe(false));
  expect(field.value).toBe('201');
});

test('writes switches, choices, texts and lists as what they are', async () => {
  const host = await open('#/settings');
  await fireEvent.click(inside(await row('watch.discover')).getByRole('switch'));
  await fireEvent.change(inside(await row('policy.auto_restore')).getByRole('combobox'), { target: { value: 'off' } });
  await fireEvent.change(inside(await row('watch.within')).getByRole('textbox'), { target: { value: '~/work\n\n ~/more ' } });
  await fireEvent.change(inside(await row('clients.codex.command')).getByRole('textbox'), { target: { value: ' /opt/codex ' } });
  await waitFor(() => expect(host.called('change_settings')).toHaveLength(4));
  expect(host.called('change_settings').map((args) => (args as { change: { changes: unknown } }).change.changes)).toEqual([
    { 'watch.discover': false },
    { 'policy.auto_restore': 'off' },
    { 'watch.within': ['~/work', '~/more'] },
    { 'clients.codex.command': '/opt/codex' },
  ]);
});

test('says what holds only from the next start on', async () => {
  await open('#/settings');
  await fireEvent.change(inside(await row('api.port')).getByRole('spinbutton'), { target: { value: '50000' } });
  await waitFor(async () => expect(textOf(await row('api.port'))).toContain('Holds wholly from SHIM’s next start on.'));
});

test('finds settings by words of their names and texts', async () => {
  await open('#/settings');
  await row('api.port');
  await fireEvent.input(screen.getByRole('searchbox'), { target: { value: 'Automatic death' } });
  await waitFor(() => expect(screen.getAllByTestId(/^setting-/).map((each) => each.dataset['testid'])).toEqual(['setting-policy.delay_seconds']));
  await fireEvent.input(screen.getByRole('searchbox'), { target: { value: 'moon' } });
  expect(await screen.findByText(/Nothing here is about “moon”/)).toBeTruthy();
});

test('takes a whole file, and names what is wrong in the one that stands', async () => {
  const world = emptyWorld(Date.now());
  world.settings.wrong = [{ line: 2, key: 'policy.moon', message: 'there is no such key' }];
  const host = await open('#/settings', fakeHost({ world }));
  expect(textOf(await screen.findByText(/The file is not right/))).toContain('what was set before holds on');
  expect(screen.getByText('policy.moon')).toBeTruthy();
  const file = screen.getByLabelText<HTMLTextAreaElement>('config.toml');
  expect(file.value).toBe(world.settings.text);
  await fireEvent.input(file, { target: { value: '[policy]\n' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Save' }));
  expect(host.called('change_settings')).toEqual([{ change: { changes: {}, text: '[policy]\n' } }]);
});

test('a failure to load is told, with a way to try again', async () => {
  const host = fakeHost();
  host.failures.set('settings', { code: 'internal', message: 'the disk is gone', details: null });
  await open('#/settings', host);
  expect(textOf(await screen.findByTestId('page-error'))).toMatch(/^The settings could not be loaded\. the disk is gone/);
  host.failures.clear();
  await fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
  expect(await row('api.port')).toBeTruthy();
});

test('what SHIM may do by itself comes first', () => {
  const key = (name: string) => ({ name, about: '', takes: { kind: 'switch' as const }, default: false, value: null, waits_for_start: false });
  const groups = grouped([key('restore.orphans'), key('policy.auto_restore'), key('policy.hung')], '');
  expect(groups[0]?.settings.map((setting) => setting.name)).toEqual(['policy.auto_restore', 'policy.hung', 'restore.orphans']);
});

test('keys of one part stand together, also those that the page does not know', () => {
  const key = (name: string) => ({ name, about: '', takes: { kind: 'switch' as const }, default: false, value: null, waits_for_start: false });
  const groups = grouped(['privacy.moon', 'notices.crash', 'desktop.moon', 'notices.moon'].map(key), '');
  expect(groups.map(({ title, settings }) => [title, settings.map(({ name }) => name)])).toEqual([
    ['The window', ['desktop.moon']],
    ['Notifications', ['notices.crash', 'notices.moon']],
    ['Privacy', ['privacy.moon']],
  ]);
});

test('what the window looks like is chosen in words, and put on at once', async () => {
  const host = await open('#/settings');
  const theme = inside(await row('desktop.theme')).getByRole<HTMLSelectElement>('combobox', { name: 'Colours' });
  expect([...theme.options].map((option) => [option.value, option.text])).toEqual([
    ['system', 'As the system'],
    ['light', 'Light'],
    ['dark', 'Dark'],
  ]);
  await fireEvent.change(theme, { target: { value: 'dark' } });
  await waitFor(() => expect(document.documentElement.dataset['theme']).toBe('dark'));
  await host.change_settings({ change: { changes: { 'desktop.theme': null }, text: null } });
  await waitFor(() => expect(document.documentElement.hasAttribute('data-theme')).toBe(false));
});

test('the welcome is shown again when asked for', async () => {
  const host = await open('#/settings');
  await fireEvent.click(inside(await row('desktop.welcomed')).getByRole('button', { name: 'Show the welcome again' }));
  await screen.findByTestId('welcome');
  expect(host.called('change_settings')).toEqual([{ change: { changes: { 'desktop.welcomed': null }, text: null } }]);
  expect(location.hash).toBe('#/');
});

test('a key that the page does not know is shown among the others', () => {
  const strange = { name: 'moon.phase', about: 'Phase.', takes: { kind: 'switch' as const }, default: false, value: null, waits_for_start: false };
  expect(grouped([strange], '').map((group) => group.title)).toEqual(['The engine']);
  expect(titleOf('checkpoints.file_mib')).toBe('Checkpoints: file (MiB)');
  expect(titleOf('clients.claude-code.command')).toBe('Clients claude code: command');
});
