import { expect, test } from 'vitest';
import type { EffectInterval, Knob } from '../../bindings/api';
import type { ExperimentMetric } from '../../bindings/core';
import { boundStands, calm, effectWords, evidenceWords, meanWords, wayGone } from './evidence';
import { boundsWords, knobTitle, valueWords } from './knobs';
import { ofHundred } from './standing';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

test('an effect is told with what it may be, and is none where it may be nothing', () => {
  const rows: [ExperimentMetric, Omit<EffectInterval, 'estimate'>, string][] = [
    ['crash', { is_ratio: false, low: -0.09, high: -0.03 }, 'Between 3 and 9 of 100 chats fewer crashed.'],
    ['crash', { is_ratio: false, low: 0.004, high: 0.123 }, 'Between 0.4 and 12 of 100 chats more crashed.'],
    ['crash', { is_ratio: false, low: -0.02, high: 0 }, 'Anything from 2 of 100 chats fewer to 0 of 100 more that crashed: these chats do not tell.'],
    ['restore_failed', { is_ratio: false, low: -0.05, high: -0.011 }, 'Between 1.1 and 5 of 100 chats fewer could not be restored.'],
    ['slow_checkpoints', { is_ratio: false, low: 0.01, high: 0.02 }, 'Between 1 and 2 of 100 chats more had slow checkpoints.'],
    ['tokens_per_turn', { is_ratio: true, low: 0.7, high: 0.9 }, 'Between 10 % and 30 % fewer tokens by turn.'],
    ['checkpoint_seconds', { is_ratio: true, low: 1.1, high: 2.3 }, 'Between 10 % and 130 % more seconds that a checkpoint takes.'],
    ['tokens_per_turn', { is_ratio: true, low: 0.9, high: 1.2 }, 'Anything from 10 % fewer to 20 % more tokens by turn: these chats do not tell.'],
  ];
  for (const [metric, effect, says] of rows) expect(plain(effectWords(metric, { ...effect, estimate: 0 }))).toBe(says);
  expect(effectWords('crash', null)).toBe('Nothing can be said before chats with each value have ended.');
});

test('evidence and means are numbers that a person reads', () => {
  expect([0, 0.004, 0.3, 4.26, 123.4, 1000, 1e300].map(evidenceWords)).toEqual(['under 0.01', 'under 0.01', '0.30', '4.3', '123', 'over 1000', 'over 1000']);
  expect([meanWords('crash', 0.124), meanWords('checkpoint_seconds', 0.0834), meanWords('tokens_per_turn', 1234.5), meanWords('unsaved_calls', 3.26)].map(plain)).toEqual([
    '12 %',
    '83 ms',
    '1235',
    '3.3',
  ]);
  expect([0, 250, 1000, 9000, 10_000].map(ofHundred)).toEqual(['0', '2.5', '10', '90', '100']);
});

test('a bound is kept, in doubt or broken by the evidence that counts', () => {
  const bound = (absolute_e: number, relative_e: number, waived = false) => ({ name: 'crash_rate', about: '', absolute_e, relative_e, waived });
  const rows = [bound(0, 1), bound(4.9, 1), bound(5, 1), bound(1, 19.9), bound(1, 20), bound(400, 1), bound(400, 1, true)];
  expect(rows.map(calm)).toEqual(['calm', 'calm', 'doubtful', 'doubtful', 'broken', 'broken', 'calm']);
  expect(rows.map(wayGone).map((gone) => Math.round(gone * 100))).toEqual([0, 53, 54, 100, 100, 100, 0]);
  expect(boundStands(bound(400, 2, true))).toBe('The old value breaks it as well, so only the comparison counts: 2.0 of 20.');
});

test('a value has its unit, and a setting that is not known its key', () => {
  expect([valueWords(1, 'calls'), valueWords(75, 'percent'), valueWords(1200, 'tokens'), valueWords(true, 'choice'), valueWords('once', 'choice'), valueWords(30, 'count')].map(plain)).toEqual([
    '1 call',
    '75 %',
    '1,200 tokens',
    'on',
    'once',
    '30',
  ]);
  expect(knobTitle('moon.phase')).toBe('moon.phase');
  expect(boundsWords({ unit: 'choice', min: 0, max: 0 } as Knob)).toBeUndefined();
});
