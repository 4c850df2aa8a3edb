import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeHost } from '../host/fake';
import { emptyWorld } from '../host/fake-world';
import { found, inside, open, sleep, textOf } from '../testing';

test('several open crashes are offered as one, and come back with one click', async () => {
  const host = await open('#/crashes');
  const offer = await screen.findByTestId('fleet-offer');
  expect(textOf(offer)).toMatch(/^3 chats can be brought back\. .*Restore 3 chats$/);
  await fireEvent.click(screen.getByTestId('restore-all'));
  expect(host.called('begin_fleet')).toEqual([{ options: { headless: false, then: 'idle', dry_run: false } }]);
  await waitFor(() => expect(textOf(found('fleet-progress'))).toMatch(/^Bringing chats back: 0 of 3\./));
});

test('how far it has come is shown, what it waits for too, and it can be called off', async () => {
  const host = await open('#/chats');
  await fireEvent.click(await screen.findByTestId('restore-all'));
  await screen.findByTestId('fleet-progress');
  const { fleet } = host.world.fleet;
  const [first, second] = fleet?.items ?? [];
  if (!fleet || !first || !second) throw new Error('no fleet');
  first.state = { is: 'restored', receipt: 41, at: new Date().toISOString() };
  second.state = { is: 'failed', receipt: 42, why: 'its folder is gone' };
  host.world.fleet.memory_available = 300 * 1024 * 1024;
  fleet.state = { is: 'waiting_for_memory', needed: 962 * 1024 * 1024, since: first.state.at };
  host.emit({ event: 'fleet_changed' });
  await waitFor(() =>
    expect(textOf(found('fleet-progress'))).toBe(
      'Bringing chats back: 1 of 3. 1 failed. Waiting for memory: 300 MiB free, 962 needed. Cancel',
    ),
  );
  await fireEvent.click(inside(found('fleet-progress')).getByRole('button'));
  expect(host.called('cancel_fleet')).toHaveLength(1);
  await waitFor(() => expect(screen.queryByTestId('fleet-progress')).toBeNull());
});

test('a fleet that stopped says why beside the offer of the rest', async () => {
  const host = fakeHost();
  await host.begin_fleet({ options: { headless: false, then: 'idle', dry_run: false } });
  if (host.world.fleet.fleet) host.world.fleet.fleet.state = { is: 'stopped', why: '3 restores failed one after the other' };
  await open('#/chats', host);
  expect(textOf(await screen.findByTestId('fleet-offer'))).toContain('The last try stopped: 3 restores failed one after the other.');
});

test('a refusal of the engine is shown where it was asked', async () => {
  const host = await open('#/crashes');
  host.failures.set('begin_fleet', { code: 'store', message: 'the disk is full', details: null });
  await fireEvent.click(await screen.findByTestId('restore-all'));
  await waitFor(() => expect(textOf(found('fleet-offer'))).toContain('the disk is full'));
});

test('what cannot be told is said, not shown as nothing', async () => {
  const host = fakeHost();
  host.failures.set('fleet', { code: 'store', message: 'the disk is full', details: null });
  await open('#/chats', host);
  expect(textOf(await screen.findByTestId('part-error'))).toMatch(/^Whether chats can be brought back together could not be loaded\. the disk is full/);
});

test('nothing is offered where nothing died', async () => {
  await open('#/chats', fakeHost({ world: emptyWorld(Date.now()) }));
  await sleep(200);
  expect(screen.queryByTestId('fleet-offer')).toBeNull();
});
