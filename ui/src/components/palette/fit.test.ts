import { expect, test } from 'vitest';
import { fit } from './fit';

test('what begins with the text fits better than what holds it, and that better than its scattered letters', () => {
  const rows: [string, string[]][] = [
    ['re', ['Restore “a”', 'Show the report', 'Are you there']],
    ['bill', ['Billing', 'Move the billing worker']],
    ['hmc', ['home, chats']],
    ['worker move', ['Move the billing worker']],
  ];
  for (const [wanted, texts] of rows) {
    const scores = texts.map((text) => fit(text, wanted));
    expect(scores.every((score) => score > 0), wanted).toBe(true);
    expect([...scores].sort((a, b) => b - a), wanted).toEqual(scores);
  }
});

test('what lacks a word does not fit, and with nothing wanted all fit alike', () => {
  for (const [text, wanted] of [['Home', 'moon'], ['Move the worker', 'move queue'], ['', 'a'], ['ab', 'ba'], ['Do as I say: cut', 'doc']] as const) {
    expect(fit(text, wanted), `${text}, ${wanted}`).toBe(0);
  }
  expect(fit('a', '')).toBe(fit('anything else', '  '));
});
