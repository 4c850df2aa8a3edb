import { expect, test } from 'vitest';
import { world } from '../../host/fake-world';
import { newestFirst, standing, toolsInFlight } from './standing';

const { crashes } = world(Date.UTC(2026, 10, 21));

test('a crash stands as its last restore and its chat say', () => {
  expect(newestFirst(crashes).map((crash) => [crash.id, standing(crash), toolsInFlight(crash)])).toEqual([
    [12, 'open', 'Bash'],
    [11, 'failed', ''],
    [10, 'restored', 'Bash'],
    [9, 'refused', 'Edit, mcp__db__query'],
    [7, 'resumed', ''],
    [5, 'restored', ''],
  ]);
});

test('a crash resumed by the user after a failed restore counts as resumed', () => {
  const failed = crashes.find((crash) => crash.id === 11);
  expect(failed && standing({ ...failed, resolved: true })).toBe('resumed');
});
