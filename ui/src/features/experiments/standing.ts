// How an experiment stands, in words. Deployed is not confirmed: what was deployed is tried on most chats and not proved.

import type { Experiment, Experiments } from '../../bindings/api';
import { day, decimal, grouped } from '../../format';
import { t } from '../../language';
import { armWords } from './knobs';

export type Standing = 'draft' | 'running' | 'probation' | 'confirmed' | 'pinned' | 'rolled_back' | 'inconclusive' | 'stopped';

/** Of how many a share is told by the api. */
const BUCKETS = 10_000;

export function standing({ state }: Experiment): Standing {
  return state.is === 'stopped' && state.holds > 0 ? 'pinned' : state.is;
}

export const STANDING_WORDS: Record<Standing, string> = {
  draft: t('Waits'),
  running: t('Being tried'),
  probation: t('Deployed, not proved'),
  confirmed: t('Confirmed'),
  pinned: t('Pinned by you'),
  rolled_back: t('Rolled back'),
  inconclusive: t('No verdict'),
  stopped: t('Stopped'),
};

/** Of 10000 chats so many, as of 100: `10`, `2.5`. */
export function ofHundred(share: number): string {
  const n = (share / BUCKETS) * 100;
  return decimal(n, Number.isInteger(n) ? 0 : 1);
}

/** What holds for chats, and since when. */
export function holdsWords(experiment: Experiment, knobs: Experiments['knobs'], now: number): string {
  const { state, plan } = experiment;
  const values = armWords(plan, knobs);
  const named = (arm: number) => values[arm] ?? '';
  const old = named(0);
  switch (state.is) {
    case 'draft':
      return t('It waits its turn. Nothing is changed yet.');
    case 'running':
      return t('Since {day}, {n} of 100 chats that come up get what is tried; the others keep {old}.', {
        day: day(state.since, now),
        n: ofHundred(state.share),
        old,
      });
    case 'probation':
      return t('Deployed on probation since {day}: {n} of 100 chats that come up get {new}, the others keep {old} to compare. It is not proved yet.', {
        day: day(state.since, now),
        n: ofHundred(experiment.arms[state.arm]?.share ?? 0),
        new: named(state.arm),
        old,
      });
    case 'confirmed':
      return t('Confirmed on {day}: all chats get {new}.', { day: day(state.at, now), new: named(state.arm) });
    case 'rolled_back':
      return t('Taken back on {day}: all chats keep {old}.', { day: day(state.at, now), old });
    case 'inconclusive':
      return t('Ended on {day} without a verdict: all chats keep {old}.', { day: day(state.at, now), old });
    case 'stopped':
      return t('Ended on {day}: all chats get {value}.', { day: day(state.at, now), value: named(state.holds) });
  }
}

/** Why it came to stand so, in the engine's words. */
export function why({ state }: Experiment): string | undefined {
  return 'why' in state ? state.why : undefined;
}

export function isOpen({ state }: Experiment): boolean {
  return state.is === 'running' || state.is === 'probation';
}

/** How many chats were measured by what decides, over all values. */
export function measured({ arms }: Experiment): string {
  return grouped(arms.reduce((sum, { counts }) => sum + counts.outcomes, 0));
}

export interface Groups {
  running: Experiment[];
  probation: Experiment[];
  confirmed: Experiment[];
  pinned: Experiment[];
  waiting: Experiment[];
  past: Experiment[];
}

/** Each in the order of the answer, the newest first. */
export function groups(all: Experiment[]): Groups {
  const of = (...wanted: Standing[]) => all.filter((one) => wanted.includes(standing(one)));
  return {
    running: of('running'),
    probation: of('probation'),
    confirmed: of('confirmed'),
    pinned: of('pinned'),
    waiting: of('draft'),
    past: of('rolled_back', 'inconclusive', 'stopped'),
  };
}
