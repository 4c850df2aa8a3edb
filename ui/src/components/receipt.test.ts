import { expect, test } from 'vitest';
import { receiptOf, world } from '../host/fake-world';
import { previewTitle, receiptTitle } from './receipt';

const NOW = Date.UTC(2026, 10, 21);
const [chat] = world(NOW).chats;
if (!chat) throw new Error('the recorded world has no chat');
const receipt = (more: Parameters<typeof receiptOf>[3]) => receiptOf(chat, 1, NOW, more);
const refused = { reason: 'still_alive', message: '' } as const;

test('a receipt is summed up in one sentence', () => {
  const rows: [Parameters<typeof receiptOf>[3], string][] = [
    [{}, 'Restored, nothing lost'],
    [{ turns_lost: 1 }, 'Restored, 1 turn lost'],
    [{ turns_lost: 3 }, 'Restored, 3 turns lost'],
    [{ turns_lost: null }, 'Restored, turns lost not counted'],
    [{ fork_of: 'claude-code:1' }, 'Forked, nothing lost'],
    [{ ok: false, refused }, 'Refused: the chat is still alive'],
    [{ ok: false, steps: [{ step: 'end_orphans', ok: false, detail: '' }] }, 'Failed at the step “end orphans”'],
    [{ ok: false, steps: [] }, 'Failed'],
  ];
  for (const [more, title] of rows) expect(receiptTitle(receipt(more)).replaceAll('\u00a0', ' ')).toBe(title);
});

test('a preview says what stands in the way', () => {
  expect(previewTitle(receipt({ dry_run: true }))).toMatch(/^Nothing is in the way/);
  expect(previewTitle(receipt({ dry_run: true, ok: false, refused }))).toBe('Would be refused: the chat is still alive');
  expect(previewTitle(receipt({ dry_run: true, ok: false }))).toBe('It would fail:');
});
