import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeHost, STORE_FAILURE } from '../../host/fake';
import { calmWorld, idOf } from '../../host/fake-world';
import { chatHref } from '../../routes';
import { found, goTo, inside, open, sleep, textOf } from '../../testing';

const field = () => screen.getByRole<HTMLInputElement>('searchbox', { name: 'Search in all chats' });
const says = () => textOf(screen.getByTestId('search-says'));
const write = (value: string) => fireEvent.input(field(), { target: { value } });
const calm = () => fakeHost({ world: calmWorld(Date.now()) });

test('finds what was said, under its chat, with the match marked', async () => {
  const host = await open('#/search', calm());
  expect(document.activeElement).toBe(field());
  expect(textOf(screen.getByTestId('page-empty'))).toMatch(/^Find what was said in any chat/);
  await write('ENQUEUE directly');
  const hits = await screen.findAllByTestId('chat-hits');
  expect(host.called('search')).toEqual([{ text: 'ENQUEUE directly' }]);
  expect(hits).toHaveLength(4);
  expect(says()).toBe('4 finds in 4 chats, at most 5 of each');
  const own = found('chat-hits', 'data-chat', idOf(4));
  expect(inside(own).getByRole('link', { name: 'Fix the flaky login test' }).getAttribute('href')).toBe(chatHref(idOf(4)));
  expect(textOf(inside(own).getByTestId('hit'))).toMatch(/^Answer, 1 d ago Three callers enqueue directly\. The plan/);
  expect([...own.querySelectorAll('mark')].map((mark) => mark.textContent)).toEqual(['enqueue directly']);
});

test('asks once the typing rests, and never for one letter', async () => {
  const host = await open('#/search', calm());
  for (const text of ['g', 'gr', 'gre', 'green']) await write(text);
  await screen.findAllByTestId('chat-hits');
  expect(host.called('search')).toEqual([{ text: 'green' }]);
  await write('g');
  await waitFor(() => expect(screen.queryAllByTestId('chat-hits')).toEqual([]));
  expect(textOf(screen.getByTestId('page-empty'))).toContain('One more, please.');
  await sleep(500);
  expect(host.called('search')).toHaveLength(1);
});

test('shows no answer for another text than stands there', async () => {
  const host = calm();
  let answer: (() => void) | undefined;
  const search = host.search;
  host.search = async (args) => {
    const hits = await search(args);
    if (args.text === 'green') await new Promise<void>((done) => (answer = done));
    return hits;
  };
  await open('#/search', host);
  await write('green');
  await waitFor(() => expect(answer).toBeTruthy());
  await write('umlaute');
  await fireEvent.keyDown(field(), { key: 'Enter' });
  expect(host.called('search')).toHaveLength(1);
  answer?.();
  await screen.findAllByTestId('chat-hits');
  expect(host.called('search')).toEqual([{ text: 'green' }, { text: 'umlaute' }]);
  expect([...document.querySelectorAll('mark')].every((mark) => mark.textContent === 'Umlaute')).toBe(true);
});

test('Enter asks at once, and the arrow keys walk through what was found', async () => {
  const host = await open('#/search', calm());
  await write('umlaute');
  await fireEvent.keyDown(field(), { key: 'Enter' });
  expect(host.called('search')).toHaveLength(1);
  const links = (await screen.findAllByTestId('chat-hits')).map((hits) => inside(hits).getByRole('link'));
  for (const link of links) {
    await fireEvent.keyDown(document.activeElement ?? document.body, { key: 'ArrowDown' });
    expect(document.activeElement).toBe(link);
  }
  await fireEvent.keyDown(document.activeElement ?? document.body, { key: 'ArrowDown' });
  expect(document.activeElement).toBe(links.at(-1));
  for (let i = links.length; i > 0; i -= 1) await fireEvent.keyDown(document.activeElement ?? document.body, { key: 'ArrowUp' });
  expect(document.activeElement).toBe(field());
});

test('the text stands in the address, so that one comes back to what was found', async () => {
  const host = await open('#/search', calm());
  await write('the plan: one');
  expect(location.hash).toBe('#/search/the%20plan%3A%20one');
  await screen.findAllByTestId('chat-hits');
  await goTo(chatHref(idOf(4)));
  await goTo('#/search/the%20plan%3A%20one');
  expect(field().value).toBe('the plan: one');
  await screen.findAllByTestId('chat-hits');
  expect(host.called('search')).toHaveLength(2);
});

test('says what to do when nothing was found', async () => {
  await open('#/search/never%20said', calm());
  expect(textOf(await screen.findByTestId('page-empty'))).toMatch(/^Nothing was found for “never said” .*Try a single word/);
  expect(says()).toBe('');
});

test('says why the search failed, and tries again', async () => {
  const host = calm();
  host.failures.set('search', STORE_FAILURE);
  await open('#/search/green', host);
  expect(textOf(await screen.findByTestId('page-error'))).toContain(STORE_FAILURE.message);
  host.failures.clear();
  await fireEvent.click(screen.getByRole('button', { name: 'Retry' }));
  await screen.findAllByTestId('chat-hits');
  expect(screen.queryByTestId('page-error')).toBeNull();
});

test('says that it searches, and that more was found than is shown', async () => {
  const host = await open('#/search');
  host.silent = true;
  await write('suite');
  expect(says()).toBe('Searching…');
  host.silent = false;
  for (let i = 0; i < 3; i += 1) host.world.chats.push(...host.world.chats.slice(0, 46).map((chat) => ({ ...chat })));
  await goTo('#/search/the');
  await waitFor(() => expect(says()).toMatch(/^The first 200 finds in \d+ chats, at most 5 of each$/));
});
