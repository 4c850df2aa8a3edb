import { fireEvent, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { ENGINE_DOWN, fakeHost } from '../../host/fake';
import { emptyWorld, world } from '../../host/fake-world';
import { inside, open, textOf } from '../../testing';

async function openPage(host = fakeHost()) {
  await open('#/opportunities', host);
  return { host, cards: await screen.findAllByTestId('opportunity') };
}

test('what stands out is told with what it is associated with, how surely, and what is not known', async () => {
  const { host, cards } = await openPage();
  expect(host.called('opportunities')).toEqual([{ offset_minutes: -new Date().getTimezoneOffset() }]);
  expect(textOf(screen.getByTestId('looked'))).toMatch(/^1,240 questions were asked of 900 chats with 108 crashes.*need not be cause and effect/);
  expect(cards.map((each) => each.dataset['standing'])).toEqual(['confirmed', 'not_confirmed', 'too_few_later']);
  const [confirmed = document.body, unsure = document.body, few = document.body] = cards;
  expect(textOf(confirmed)).toMatch(/^Chats over 120 calls and over 80 % of the context are associated with crashes: .* Confirmed by later chats/);
  expect(textOf(confirmed)).toContain('Older half of the chats 29 crashes in 64 chats, 31 in 386 others Newer half 31 crashes in 70 chats, 30 in 380 others By chance under 0.1 %');
  expect(textOf(confirmed)).toContain('An experiment would need about 640 chats to tell.');
  expect(textOf(confirmed)).toContain('What might be tried: Tool calls until the next checkpoint: lower');
  expect(textOf(unsure)).toMatch(/Not confirmed by later chats .* By chance 21\.0 %/);
  expect(textOf(unsure)).toContain('No experiment would tell: telling a fall by 1.4 points');
  expect(textOf(few)).toMatch(/Too few later chats .*Expected false among such 0\.4 %/);
  expect(inside(few).queryByText(/What might be tried/)).toBeNull();
  expect(screen.getAllByTestId('far-out').map(textOf)).toEqual([
    expect.stringMatching(/^codex: waited 4 min for an answer, 12 s is usual/),
    expect.stringMatching(/^claude-code: took 4,200,000 tokens, 310,000 are usual/),
  ]);
});

test('what is proposed is tried on its user’s word, with the finding as the reason', async () => {
  const host = fakeHost();
  // Nothing is tried on this setting yet.
  host.world.experiments.view.experiments = [];
  const { cards } = await openPage(host);
  const card = inside(cards[0] ?? document.body);
  await fireEvent.click(card.getByTestId('opportunity-try'));
  expect(card.getByLabelText<HTMLSelectElement>('Setting').value).toBe('checkpoints.calls');
  expect(card.getByLabelText<HTMLInputElement>('Value to try').value).toBe('4');
  await fireEvent.submit(card.getByTestId('propose'));
  expect(textOf(await screen.findByTestId('experiment-told'))).toBe('Experiment 1 has begun. Dismiss');
  const [{ request }] = host.called('about_experiment') as [{ request: { idea: { values: number[]; metric: string; why: string } } }];
  expect(request.idea).toMatchObject({ values: [4], metric: 'crash', why: expect.stringContaining('associated with crashes') as string });
});

test('with too little history it says how far it is, and of a quiet one that nothing stands out', async () => {
  await open('#/opportunities', fakeHost({ world: emptyWorld(Date.now()) }));
  expect(textOf(await screen.findByTestId('page-empty'))).toMatch(/^Not enough yet 31 of 80 chats that ended, and 4 of 10 crashes/);
  document.body.replaceChildren();
  const quiet = world(Date.now());
  if (quiet.opportunities.state === 'looked') Object.assign(quiet.opportunities, { found: [], far_out: [] });
  await open('#/opportunities', fakeHost({ world: quiet }));
  expect(textOf(await screen.findByTestId('page-empty'))).toMatch(/^Nothing stands out/);
});

test('why it could not be loaded is said', async () => {
  const host = fakeHost();
  host.failures.set('opportunities', { ...ENGINE_DOWN, code: 'internal' });
  await open('#/opportunities', host);
  expect(textOf(await screen.findByTestId('page-error'))).toContain('The opportunities could not be loaded.');
});
