import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeHost, STORE_FAILURE } from '../../host/fake';
import { idOf } from '../../host/fake-world';
import { chatHref } from '../../routes';
import { found, inside, open, textOf } from '../../testing';

const kinds = () => screen.getAllByTestId('entry').map((entry) => entry.getAttribute('data-kind'));

test('shows the chat and its timeline, newest first', async () => {
  await open(chatHref(idOf(1)));
  expect(textOf(await screen.findByRole('heading', { level: 1 }))).toBe('Chat');
  const header = await screen.findByTestId('chat-header');
  expect(textOf(header)).toContain('Turns 11');
  expect(textOf(header)).toContain('Journal 394 kB, 7 ms behind');
  expect(kinds().slice(0, 4)).toEqual(['crash', 'tool', 'answer', 'prompt']);
  expect(inside(found('entry', 'data-kind', 'crash')).getByRole('link').getAttribute('href')).toBe('#/crashes/12');
});

test('says how near the chat is to trouble, and why', async () => {
  const host = fakeHost();
  await open(chatHref(idOf(6)), host);
  const risk = await screen.findByTestId('risk');
  expect(risk.getAttribute('data-level')).toBe('warning');
  expect(textOf(risk)).toBe('Warning by rule of thumb Danger: 91 % of the context is used (limit 75 %)');

  const chat = host.world.chats.find((each) => each.id === idOf(6));
  if (!chat) throw new Error('no chat');
  chat.risk = { level: 'safe', probability: 0.031, source: 'model', reasons: [] };
  host.emit({ event: 'chat_changed', chat: idOf(6) });
  await waitFor(() => expect(textOf(screen.getByTestId('risk'))).toBe('No sign of trouble 3 % within the hour, learned here'));
});

test('says what the tokens cost, and what has no price', async () => {
  const host = fakeHost();
  const chat = host.world.chats.find((each) => each.id === idOf(6));
  if (!chat) throw new Error('no chat');
  chat.cost = { dollars: 1.239, unpriced_tokens: 1204, as_of: '2026-11-21' };
  await open(chatHref(idOf(6)), host);
  const cost = await screen.findByTitle(/^By list price of 2026-11-21, without 1,204.tokens whose price is not known$/);
  expect(cost.textContent).toContain('$1.24');

  chat.cost = null;
  host.emit({ event: 'chat_changed', chat: idOf(6) });
  await waitFor(() => expect(screen.queryByTitle(/^By list price/)).toBeNull());
});

test('says nothing of risk where no process is measured', async () => {
  await open(chatHref(idOf(1)));
  await screen.findByTestId('chat-header');
  expect(screen.queryByTestId('risk')).toBeNull();
});

test('grows as the chat does, and not as another does', async () => {
  const host = await open(chatHref(idOf(1)));
  await screen.findAllByTestId('entry');
  host.world.timelines.get(idOf(1))?.push({ at: new Date().toISOString(), kind: 'prompt', text: 'One more thing', number: null, point: null });
  host.emit({ event: 'chat_changed', chat: idOf(2) });
  host.emit({ event: 'chat_changed', chat: idOf(1) });
  await screen.findByText('One more thing');
  expect(host.called('chat')).toHaveLength(2);
  expect(host.called('checkpoints')).toHaveLength(1);
});

test('takes a checkpoint with its note', async () => {
  const host = await open(chatHref(idOf(4)));
  await screen.findAllByTestId('checkpoint-row');
  const note = screen.getByRole('textbox', { name: 'Note for the checkpoint' });
  await fireEvent.input(note, { target: { value: '  before the rewrite ' } });
  await fireEvent.click(screen.getByTestId('checkpoint-button'));
  await screen.findByText('before the rewrite');
  expect(host.called('take_checkpoint')).toEqual([{ target: idOf(4), note: 'before the rewrite', point: null }]);
  expect((note as HTMLInputElement).value).toBe('');

  host.failures.set('take_checkpoint', STORE_FAILURE);
  await fireEvent.click(screen.getByTestId('checkpoint-button'));
  expect(textOf(await screen.findByTestId('checkpoint-error'))).toBe(STORE_FAILURE.message);
});

test('a live chat can be forked but not restored', async () => {
  const host = await open(chatHref(idOf(4)));
  await screen.findAllByTestId('checkpoint-row');
  expect(screen.queryByTestId('restore-button')).toBeNull();

  expect(screen.getAllByTestId('checkpoint-row')).toHaveLength(10);
  await fireEvent.click(screen.getByRole('button', { name: 'Show more' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Fork from here: checkpoint 3' }));
  expect(textOf(found('checkpoint-row', 'data-checkpoint', 3))).toContain('Before the risky part');
  await fireEvent.click(screen.getByRole('radio', { name: 'Headless' }));
  await fireEvent.click(screen.getByTestId('restore-button'));
  const receipt = await screen.findByTestId('receipt');
  expect(host.called('restore')).toEqual([
    { request: { target: idOf(4), checkpoint: 3, headless: true, then: 'idle', dry_run: false } },
  ]);
  expect(textOf(receipt)).toContain('Forked, nothing lost');
  expect(textOf(receipt)).toContain(`Fork of ${idOf(4)}`);
});

test('says what happens to a process that hangs before its chat is brought back', async () => {
  const host = fakeHost();
  const chat = host.world.chats.find((each) => each.id === idOf(9));
  if (!chat) throw new Error('no chat');
  await open(chatHref(idOf(9)), host);
  await screen.findByTestId('chat-header');
  expect(screen.queryByTestId('ends-hung')).toBeNull();
  chat.open_crash = 12;
  host.emit({ event: 'chat_changed', chat: idOf(9) });
  expect(textOf(await screen.findByTestId('ends-hung'))).toContain('ended by force');
});

test('says that there is no such chat', async () => {
  await open('#/chats/claude-code%3Anone');
  expect(textOf(await screen.findByTestId('page-error'))).toContain('no chat is named claude-code:none');
});

test('exports the chat and says where the file is', async () => {
  const host = await open(chatHref(idOf(4)));
  await fireEvent.click(await screen.findByTestId('export-button'));
  const path = '/home/ada/Downloads/Chat Fix the flaky login test.jsonl';
  expect(textOf(await screen.findByTestId('exported'))).toBe(`The chat was written to a file. ${path} Copy Dismiss`);
  expect(host.called('export_chat')).toEqual([{ target: idOf(4), checkpoint: null }]);
  await fireEvent.click(screen.getByRole('button', { name: 'Dismiss' }));
  expect(screen.queryByTestId('exported')).toBeNull();

  host.failures.set('export_chat', STORE_FAILURE);
  await fireEvent.click(screen.getByTestId('export-button'));
  expect(textOf(await screen.findByTestId('export-error'))).toContain(STORE_FAILURE.message);
});
