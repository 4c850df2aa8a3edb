// Entries of the audit log in words.

import type { AuditEntry, AuditReplay, Experiment, Knob } from '../../bindings/api';
import type { ExperimentDecision } from '../../bindings/core';
import { grouped } from '../../format';
import { t } from '../../language';
import { armWords, knobTitle } from './knobs';
import { ofHundred } from './standing';

/** Where values are looked up that the log names by their place. */
export interface Known {
  experiments: Experiment[];
  knobs: Knob[];
}

/** What was decided: `deployed on probation: 4 calls`. */
export function decisionWords({ experiment, decided: { what } }: ExperimentDecision, known: Known): string {
  const plan = known.experiments.find(({ id }) => id === experiment)?.plan;
  const value = (arm: number) => (plan && armWords(plan, known.knobs)[arm]) ?? t('value {n}', { n: arm + 1 });
  switch (what.is) {
    case 'began':
      return t('began');
    case 'ramped':
      return t('goes to {n} of 100 chats', { n: ofHundred(what.share) });
    case 'dropped':
      return t('dropped: {value}', { value: value(what.arm) });
    case 'shipped':
      return t('deployed on probation: {value}', { value: value(what.arm) });
    case 'confirmed':
      return t('confirmed: {value}', { value: value(what.arm) });
    case 'inconclusive':
      return t('ended without a verdict');
    case 'rolled_back':
      return what.violation ? t('rolled back, for a safety bound') : t('rolled back');
    case 'stopped':
      return what.holds > 0 ? t('stopped, and pinned: {value}', { value: value(what.holds) }) : t('stopped');
    case 'overridden':
      return t('one chat was given {value}', { value: value(what.arm) });
  }
}

export function decisionTitle({ knob }: ExperimentDecision): string {
  return knobTitle(knob);
}

const EVENT_WORDS: Record<string, string> = {
  settings: t('The settings were read'),
  idea: t('An idea came'),
  came: t('A chat came up'),
  used: t('A chat met its value'),
  measured: t('A chat was measured'),
  tick: t('Time passed'),
  start: t('You started an experiment'),
  stop: t('You stopped an experiment'),
  pin: t('You pinned a value'),
  override: t('You gave one chat a value'),
  undo: t('You took an experiment back'),
};

/** What happened, of an entry from which nothing followed. */
export function eventWords({ event }: AuditEntry): string {
  const is = typeof event === 'object' && event !== null && 'is' in event ? String(event.is) : '';
  return EVENT_WORDS[is] ?? t('Written by another version of SHIM');
}

export function replayWords({ same, entries }: AuditReplay): string {
  return same
    ? t('Played again: {n} entries lead to the state that is in force.', { n: grouped(entries) })
    : t('Played again: {n} entries do not lead to the state that is in force.', { n: grouped(entries) });
}
