import { describe, expect, test } from 'vitest';
import type { OwnUse, Prediction } from '../../bindings/api';
import type { Verdict } from '../../bindings/core';
import { predictionsAt } from '../../host/fake-health';
import { budgets } from './budgets';
import { errorWords } from './errors';
import { falseAlarms, foretold, inUse, worth } from './prediction';

const NOW = Date.UTC(2026, 10, 21, 12);
const [known, little] = predictionsAt(NOW) as [Prediction, Prediction];
const { score } = known.worth;
if (!score) throw new Error('the recorded prediction has no score');
const plain = (text: string) => text.replaceAll('\u00a0', ' ');

describe('what is in use', () => {
  const tried = (outcome: Verdict) => inUse({ ...known, last_training: { version: 1, at: '2026-11-20T12:00:00Z', outcome } }, NOW);

  test('a rule of thumb says how far it is to learning, and what came of it', () => {
    expect(plain(inUse(little, NOW))).toBe('A rule of thumb. Learning begins at 20 crashes; 1 so far.');
    expect(plain(inUse({ ...known, last_training: null }, NOW))).toBe('A rule of thumb, after 23 crashes.');
    const rows: [Verdict, string][] = [
      [{ verdict: 'not_better', than: 'base_rate', gain: 0, by_chance: 1 }, 'did not foretell later crashes better than the mere rate of crashes, so it is not used.'],
      [{ verdict: 'not_enough', crashes: 3, needed: 20 }, 'had 3 of the 20 crashes it takes.'],
      [{ verdict: 'no_skill', brier_skill: -0.1 }, 'told nothing within the hour, so it is not used.'],
      [{ verdict: 'failed', why: 'out of time' }, 'gave nothing: out of time.'],
      [{ verdict: 'taken' }, 'and put aside since.'],
    ];
    for (const [outcome, end] of rows) expect(plain(tried(outcome)).endsWith(end), end).toBe(true);
  });

  test('a model says what it was learned from', () => {
    const model = { client: 'codex' as const, trained_at: '2026-11-20T12:00:00Z', since: '', rows: 5120, crashes: 31, strength: 1, coefficients: [], held_out: null };
    const one: Prediction = { ...known, source: 'model', model: { version: 4, model } };
    expect(plain(inUse(one, NOW))).toBe('A model learned on this machine on 20 Nov, from 5,120 minutes and 31 crashes.');
  });
});

describe('what it was worth', () => {
  const skill = (brier_skill: number) => plain(worth({ ...score, brier_skill }, null)[1] ?? '');

  test('the base rate stands beside each figure', () => {
    expect(worth(score, null).map(plain)).toEqual([
      'Of 412 hours foretold, 14 had a crash: the base rate is 3.4 %.',
      'Its probabilities are 6 % better than always saying the base rate.',
      'Right in 95.9 % of the hours. Always saying “no crash” is right in 96.6 %.',
      'The hours it ranks as most dangerous had a crash 5.6 times as often as any hour (average precision 0.19, base rate 0.03).',
    ]);
  });

  test('no skill is not said to be one', () => {
    expect(skill(0.004)).toBe('Its probabilities are no better than always saying the base rate.');
    expect(skill(-0.12)).toBe('Its probabilities are 12 % worse than always saying the base rate.');
  });

  test('no figure before there is enough behind it', () => {
    expect(worth(null, null)).toEqual(['Not enough yet.']);
    expect([foretold(little.worth.alarms), falseAlarms(little.worth.alarms)]).toEqual(['Not enough yet.', 'Not enough yet.']);
  });

  test('a share of few says what it may be, a share of many need not', () => {
    const { alarms } = known.worth;
    expect(plain(foretold(alarms))).toBe(
      '6 of 14 crashes had an alarm in the hour before: 43 %. With so few to go by, it may be anything between 26 % and 73 %. ' +
        'Half of those alarms came at least 22 min before.',
    );
    const many = { ...alarms, lead_seconds: null, foretold: { of: 500, count: 250, share: 0.5, low: 0.46, high: 0.54 } };
    expect(plain(foretold(many))).toBe('250 of 500 crashes had an alarm in the hour before: 50 %.');
    expect(plain(falseAlarms(alarms))).toBe('1.5 a day: 33 of 41 alarms came to nothing.');
  });
});

test('SHIM’s own use is held against its limits, and not compared before there is something to compare', () => {
  const own: OwnUse = { memory_bytes: 15_000_000, cpu_seconds: 36, written_bytes: 3_000_000, watched_bytes: 1_000_000, database_bytes: 0 };
  const shares = (use: Partial<OwnUse>, up_ms = 3_600_000) => budgets({ ...own, ...use }, up_ms).map(({ share }) => share);
  expect(shares({})).toEqual([0.5, 2, 2]);
  expect(shares({ watched_bytes: 10, written_bytes: 9_000_000 })[2]).toBeNull();
  expect(shares({ written_bytes: null })[2]).toBeNull();
  expect(shares({}, 0)[1]).toBe(0);
});

test('errors are named as a person says them', () => {
  expect(['tool:Bash', 'rate_limit', 'overloaded'].map(errorWords)).toEqual(['Bash failed', 'rate limit', 'overloaded']);
});
