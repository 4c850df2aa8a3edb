// Every page in every recorded world, looked at by axe: names, roles, labels, order of headings. What needs a layout,
// contrast above all, is looked at in the real window.

import { cleanup, fireEvent, screen } from '@testing-library/svelte';
import axe from 'axe-core';
import { afterEach, describe, expect, test } from 'vitest';
import { fakeHost, unwelcomed, type FakeHost } from './host/fake';
import { calmWorld, emptyWorld, freshWorld, idOf, world, type World } from './host/fake-world';
import { chatHref } from './routes';
import { open } from './testing';

const WORLDS: Record<string, (now: number) => World> = { busy: world, calm: calmWorld, fresh: freshWorld, empty: emptyWorld };
const PAGES = ['#/', '#/welcome', '#/chats', '#/crashes', '#/health', '#/experiments', '#/opportunities', '#/doctor', '#/settings', '#/search', '#/search/the'];
const NEEDS_LAYOUT = ['color-contrast', 'target-size', 'scrollable-region-focusable'];

afterEach(cleanup);

async function violations(): Promise<string[]> {
  const rules = Object.fromEntries(NEEDS_LAYOUT.map((rule) => [rule, { enabled: false }]));
  const result = await axe.run(document.documentElement, { rules, resultTypes: ['violations'] });
  return result.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
}

/** Nothing is being fetched any more. */
async function settled(host: FakeHost): Promise<void> {
  let asked = -1;
  while (asked !== host.calls.length || document.querySelector('[aria-busy=true]')) {
    asked = host.calls.length;
    await new Promise((done) => setTimeout(done, 30));
  }
}

async function look(route: string, host: FakeHost): Promise<string[]> {
  document.documentElement.lang = 'en';
  await open(route, host);
  await screen.findAllByRole('heading', { level: 1 });
  await settled(host);
  return violations();
}

describe.each(Object.keys(WORLDS))('in the %s world', (name) => {
  const make = () => (WORLDS[name] ?? world)(Date.now());
  test.each(PAGES)('axe finds nothing at %s', async (route) => {
    expect(await look(route, fakeHost({ world: make() }))).toEqual([]);
  });
});

test.each(['#/experiments/6', '#/experiments/99', '#/crashes/12', '#/crashes/11', '#/crashes/9', chatHref(idOf(4)), chatHref(idOf(1))])('axe finds nothing at %s', async (route) => {
  expect(await look(route, fakeHost())).toEqual([]);
});

test('axe finds nothing in the palette, the shortcuts, a diff and its result', async () => {
  const host = fakeHost({ world: unwelcomed(world(Date.now())) });
  host.world.status.engine.demo = true;
  await look('#/', host);
  await fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true });
  await screen.findAllByTestId('command');
  expect(await violations()).toEqual([]);
  await fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true });
  await fireEvent.keyDown(document.body, { key: '?' });
  expect(await violations()).toEqual([]);
  await fireEvent(screen.getByTestId('shortcuts'), new Event('cancel', { cancelable: true }));

  const [show] = screen.getAllByTestId('install-show');
  if (!show) throw new Error('nothing is offered');
  await fireEvent.click(show);
  await screen.findByTestId('diff');
  expect(await violations()).toEqual([]);
  await fireEvent.click(screen.getByTestId('install-do'));
  await screen.findByTestId('install-result');
  expect(await violations()).toEqual([]);
});

test('axe would find a button without a name', async () => {
  await look('#/search', fakeHost());
  document.body.append(document.createElement('button'));
  expect(await violations()).toEqual(['button-name: <button></button>']);
});
