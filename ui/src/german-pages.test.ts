import { screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { GERMAN } from './german/german';
import { idOf } from './host/fake-world';
import { speak } from './language';

speak('de');
// What is translated as it is loaded must be loaded after that.
const { found, open, textOf } = await import('./testing');
const { bytes, count, day, fine, grouped, relative } = await import('./format');
const { chatHref } = await import('./routes');

/** What stands on the page in the words of the source though there is German for it. The engine's own words stay. */
function leftEnglish(): string[] {
  const said: string[] = [];
  const walk = document.createTreeWalker(screen.getByRole('main'), NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node: Node | null = walk.currentNode; node; node = walk.nextNode()) {
    if (node instanceof Element) said.push(...['aria-label', 'title', 'placeholder'].map((name) => (node as Element).getAttribute(name) ?? ''));
    else if (!node.parentElement?.closest('[data-testid=evidence], .path, pre, code')) said.push(node.textContent ?? '');
  }
  const english = said.map((text) => text.replace(/\s+/g, ' ').trim()).filter((text) => (GERMAN[text] ?? text) !== text);
  return [...new Set(english)];
}

test.each([
  ['#/chats', 'chat-row', 'Abgestürzt'],
  [chatHref(idOf(1)), 'entry', 'Zeitleiste'],
  [chatHref(idOf(4)), 'checkpoint-row', 'Prüfpunkt'],
  ['#/crashes', 'chart', 'Abstürze nach Tagen'],
  ['#/crashes/12', 'crash-kind', 'Getötet in einem Werkzeug'],
  ['#/crashes/9', 'receipt', 'Abgelehnt: sein Ordner ist weg'],
  ['#/experiments', 'audit-entry', 'auf Probe ausgerollt: 5 Minuten'],
  ['#/experiments/5', 'experiment', 'Zwischen 3 und 9 von 100 Chats weniger stürzten ab.'],
  ['#/health', 'budget', 'Innerhalb der Grenze von 30 MB'],
])('%s speaks German throughout', async (route, testid, says) => {
  await open(route);
  await screen.findAllByTestId(testid);
  await waitFor(() => expect(textOf(screen.getByRole('main'))).toContain(says));
  expect(leftEnglish()).toEqual([]);
});

test('numbers and times are written as in German', async () => {
  const now = Date.UTC(2026, 10, 21, 12);
  const plain = (text: string) => text.replaceAll('\u00a0', ' ');
  expect(
    [count(1, 'turn'), count(1204, 'turn'), grouped(1_234_567), bytes(1249), fine(0.034), relative('2026-11-21T11:57:00Z', now), day('2026-03-04T12:00:00Z', now)].map(plain),
  ).toEqual(['1 Runde', '1.204 Runden', '1.234.567', '1,2 kB', '3,4 %', 'vor 3 min', '4. März']);
  await open('#/chats');
  await screen.findAllByTestId('chat-row');
  expect(textOf(found('chat-row', 'data-chat', idOf(1)))).toMatch(/vor \d+ s .* 11 Runden 60k Tokens 13 % Kontext Wiederherstellen$/);
});
