import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { fakeHost, STORE_FAILURE } from '../../host/fake';
import { calmWorld, freshWorld } from '../../host/fake-world';
import { inside, open, textOf } from '../../testing';

afterEach(() => Reflect.deleteProperty(navigator, 'clipboard'));

const area = (name: string) => screen.getByRole('region', { name });
const findings = (name: string) => inside(area(name)).getAllByTestId('finding').map(textOf);
const calm = () => fakeHost({ world: calmWorld(Date.now()) });

test('shows what was found by area, those with a problem first and what is wrong first in each', async () => {
  const host = await open('#/doctor');
  const areas = await screen.findAllByTestId('area');
  expect(areas.map((each) => each.getAttribute('aria-label'))).toEqual(['Clients', 'Hooks and MCP', 'Chats', 'SHIM itself']);
  expect(textOf(screen.getByTestId('doctor-summary'))).toBe('2 things are to mend, and 4 notes to know of.');
  expect(findings('Clients')).toEqual([
    'To mend Codex The program of Codex was not found Install it, or name it in config.toml as clients.codex.command',
    'Note Gemini CLI The program of Gemini CLI was not found Install it, or name it in config.toml as clients.gemini.command',
    'Note opencode The program of opencode was not found Install it, or name it in config.toml as clients.opencode.command',
    'Well Claude Code /home/ada/.local/bin/claude',
    'Well Folder /home/ada/.claude (Claude Code)',
    'Well Folder /home/ada/.codex (Codex)',
  ]);
  expect(findings('SHIM itself')).toEqual(['Well Data folder /home/ada/.local/share/shim (126 MB)', 'Well Terminal xterm -e']);
  expect(host.called('doctor')).toEqual([{ verify: false }]);
});

test('says that all is as it should be', async () => {
  await open('#/doctor', calm());
  expect(textOf(await screen.findByTestId('doctor-summary'))).toBe('Everything is as it should be.');
  expect(screen.getAllByTestId('finding').every((finding) => finding.getAttribute('data-level') === 'ok')).toBe(true);
});

test('a machine without a client has notes, and nothing to mend', async () => {
  await open('#/doctor', fakeHost({ world: freshWorld(Date.now()) }));
  expect(textOf(await screen.findByTestId('doctor-summary'))).toBe('Nothing is to mend, and 5 notes to know of.');
  expect(findings('Clients').at(-1)).toMatch(
    /^Note Folder No folder of any client was found Start a chat, or name its folder in config\.toml \(\s?shim settings Copy lists the keys\)$/,
  );
});

test('a command is copied with one click', async () => {
  const writeText = vi.fn(() => Promise.resolve());
  Object.defineProperty(navigator, 'clipboard', { value: { writeText }, configurable: true });
  await open('#/doctor');
  await screen.findAllByTestId('area');
  const copy = inside(area('Hooks and MCP')).getByRole('button', { name: 'Copy shim install hooks --client claude-code' });
  await fireEvent.click(copy);
  expect(writeText).toHaveBeenCalledExactlyOnceWith('shim install hooks --client claude-code');
  await waitFor(() => expect(textOf(copy)).toBe('Copied'));
});

test('where the clipboard cannot be reached the command is marked to be copied by hand', async () => {
  await open('#/doctor');
  await screen.findAllByTestId('area');
  const copy = inside(area('Hooks and MCP')).getByRole('button', { name: 'Copy shim install hooks --client claude-code' });
  await fireEvent.click(copy);
  await waitFor(() => expect(textOf(copy)).toBe('Press Ctrl C'));
  expect(String(getSelection())).toBe('shim install hooks --client claude-code');
});

const part = (name: string, standing: string) => screen.findByRole('button', { name: `${standing}: ${name}` });

test('a finding is mended with its change shown first, and is looked at anew', async () => {
  const host = await open('#/doctor');
  await screen.findAllByTestId('area');
  const show = inside(area('Hooks and MCP')).getByRole('button', { name: 'Show what would change: Hooks, Claude Code' });
  await fireEvent.click(show);
  const shown = await screen.findByTestId('install-shown');
  expect(document.activeElement).toBe(shown);
  expect(inside(shown).getByTestId('diff').textContent).toContain('+  "shim": "/home/ada/.local/bin/shim"');
  expect(host.called('install')).toEqual([{ request: { what: 'hooks', client: 'claude-code', undo: false, dry_run: true } }]);

  await fireEvent.click(inside(shown).getByRole('button', { name: 'Do it' }));
  const result = await screen.findByTestId('install-result');
  expect(textOf(result)).toBe('Hooks, Claude Code: written. Dismiss');
  expect(document.activeElement).toBe(result);
  expect(host.called('install').at(-1)).toEqual({ request: { what: 'hooks', client: 'claude-code', undo: false, dry_run: false } });
  await waitFor(() => expect(textOf(screen.getByTestId('doctor-summary'))).toBe('One thing is to mend, and 4 notes to know of.'));
  expect(inside(area('Hooks and MCP')).queryByTestId('install-show')).toBeNull();
});

test('what was shown can be left as it is', async () => {
  const host = await open('#/doctor', calm());
  const show = await part('MCP, Codex', 'Show what would change');
  await fireEvent.click(show);
  await fireEvent.click(inside(await screen.findByTestId('install-shown')).getByRole('button', { name: 'Cancel' }));
  expect(screen.queryByTestId('install-shown')).toBeNull();
  expect(document.activeElement).toBe(show);
  expect(host.called('install')).toHaveLength(1);
});

test('what is installed is taken back in the same way', async () => {
  const host = await open('#/doctor', calm());
  await fireEvent.click(await part('Hooks, Claude Code', 'Undo…'));
  const shown = await screen.findByTestId('install-shown');
  expect(inside(shown).getByTestId('diff').textContent).toContain('-  "shim"');
  await fireEvent.click(inside(shown).getByRole('button', { name: 'Do it' }));
  await screen.findByTestId('install-result');
  expect(host.called('install').at(-1)).toEqual({ request: { what: 'hooks', client: 'claude-code', undo: true, dry_run: false } });
  expect(await part('Hooks, Claude Code', 'Show what would change')).toBeTruthy();
});

test('what stood in the way of installing is said, with what its user has to do', async () => {
  const host = calm();
  await open('#/doctor', host);
  const answer = { what: 'mcp' as const, client: 'codex' as const, file: '/home/ada/.codex/config.toml', diff: null, backup: null };
  host.install = () => Promise.resolve([{ ...answer, outcome: 'refused', why: 'the file is no TOML', advice: ['mend line 3, then try again'] }]);
  await fireEvent.click(await part('MCP, Codex', 'Show what would change'));
  const shown = await screen.findByTestId('install-shown');
  expect(textOf(shown)).toBe('MCP, Codex: refused, /home/ada/.codex/config.toml: the file is no TOML mend line 3, then try again Close');

  await fireEvent.click(inside(shown).getByRole('button', { name: 'Close' }));
  host.install = () => Promise.reject(STORE_FAILURE);
  await fireEvent.click(await part('MCP, Codex', 'Show what would change'));
  expect(textOf(await screen.findByTestId('install-error'))).toBe(`MCP, Codex could not be changed. ${STORE_FAILURE.message} Dismiss`);
});

test('says that the whole journal will be read, reads it when asked, and shows what that told', async () => {
  const host = calm();
  await open('#/doctor', host);
  await screen.findAllByTestId('area');
  expect(textOf(screen.getByRole('region', { name: 'Is every copy whole?' }))).toContain('This reads the whole journal, 126 MB on disk');
  await fireEvent.click(screen.getByTestId('verify-button'));
  await waitFor(() => expect(textOf(screen.getByTestId('verified'))).toBe('Every piece is whole, read just now'));
  expect(host.called('doctor')).toEqual([{ verify: false }, { verify: true }]);
  expect(findings('Journal')).toEqual(['Well Checksums 1204 chunks, 118 MB: 0 damaged']);

  host.emit({ event: 'status_changed' });
  await waitFor(() => expect(host.called('doctor')).toHaveLength(3));
  expect(host.called('doctor')[2]).toEqual({ verify: false });
  expect(findings('Journal')).toHaveLength(1);
});

test('says which pieces are damaged', async () => {
  const host = calm();
  host.world.damaged = true;
  await open('#/doctor', host);
  await screen.findAllByTestId('area');
  await fireEvent.click(screen.getByTestId('verify-button'));
  await waitFor(() => expect(textOf(screen.getByTestId('verified'))).toMatch(/^Some pieces are damaged: see Journal above/));
  expect(screen.getAllByTestId('area')[0]?.getAttribute('aria-label')).toBe('Journal');
  expect(findings('Journal')).toHaveLength(2);
  expect(textOf(screen.getByTestId('doctor-summary'))).toBe('2 things are to mend.');
});

test('says why the journal could not be read', async () => {
  const host = calm();
  await open('#/doctor', host);
  await screen.findAllByTestId('area');
  host.failures.set('doctor', STORE_FAILURE);
  await fireEvent.click(screen.getByTestId('verify-button'));
  expect(textOf(await screen.findByTestId('verify-error'))).toBe(STORE_FAILURE.message);
  expect(screen.getByTestId<HTMLButtonElement>('verify-button').disabled).toBe(false);
});

test('says why nothing could be looked at, and tries again', async () => {
  const host = fakeHost();
  host.failures.set('doctor', STORE_FAILURE);
  await open('#/doctor', host);
  expect(textOf(await screen.findByTestId('page-error'))).toMatch(/^What the doctor finds could not be loaded\./);
  host.failures.clear();
  await fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
  await screen.findAllByTestId('area');
});

test('holds the place while it looks', async () => {
  const host = fakeHost();
  host.silent = true;
  await open('#/doctor', host);
  expect(screen.getAllByRole('status').map(textOf)).toContain('Loading what the doctor finds');
});
