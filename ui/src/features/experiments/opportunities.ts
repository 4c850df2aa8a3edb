// What was found in the history, in words.

import type { Knob } from '../../bindings/api';
import type { ExperimentMetric, FarOut, Opportunity, OpportunityEvidence, OpportunityStanding, OpportunityTarget } from '../../bindings/core';
import { duration, fine, grouped } from '../../format';
import { t } from '../../language';
import { isTried, knobTitle, valueWords } from './knobs';

export const FOUND_WORDS: Record<OpportunityStanding, string> = {
  confirmed: t('Confirmed by later chats'),
  not_confirmed: t('Not confirmed by later chats'),
  too_few_later: t('Too few later chats'),
};

const EVENT_WORDS: Record<OpportunityTarget, string> = {
  crashes: t('crashes'),
  cost: t('costs far above the usual'),
  latency: t('waits far above the usual'),
};

/** What one half of the history says: `45 crashes in 100 chats, 12 in 300 others`. */
export function halfWords({ target }: Opportunity, { chats, events, other_chats, other_events }: OpportunityEvidence): string {
  return t('{events} {what} in {chats} chats, {other_events} in {other_chats} others', {
    events: grouped(events),
    what: EVENT_WORDS[target],
    chats: grouped(chats),
    other_events: grouped(other_events),
    other_chats: grouped(other_chats),
  });
}

/** How likely it is by chance, for as many questions as were asked. */
export function chanceWords(p: number): string {
  return p < 0.001 ? t('under 0.1 %') : fine(p);
}

/** What might be changed; undefined where nothing is proposed. */
export function proposalWords({ proposal }: Opportunity, knobs: Knob[]): string | undefined {
  if (proposal === null) return undefined;
  const unit = knobs.find(({ key }) => key === proposal.knob)?.unit ?? 'count';
  const words = { knob: knobTitle(proposal.knob), value: proposal.value === null ? '' : valueWords(proposal.value, unit) };
  if (proposal.value !== null) return proposal.direction === 'lower' ? t('{knob}: lower, to {value}', words) : t('{knob}: higher, to {value}', words);
  return proposal.direction === 'lower' ? t('{knob}: lower', words) : t('{knob}: higher', words);
}

/** What the form that tries it begins with; undefined where it cannot be tried. */
export function trialOf(found: Opportunity, knobs: Knob[]): { knob: string; value: number; metric: ExperimentMetric; why: string } | undefined {
  const { proposal, target } = found;
  const metric: ExperimentMetric = target === 'cost' ? 'tokens_per_turn' : 'crash';
  const knob = knobs.find(({ key }) => key === proposal?.knob);
  if (proposal === null || target === 'latency' || knob === undefined || typeof knob.value !== 'number') return undefined;
  if (!isTried(knob) || !knob.affects.includes(metric)) return undefined;
  // Where only the direction is meant: half as much, or twice.
  const wanted = proposal.value ?? Math.round(proposal.direction === 'lower' ? knob.value / 2 : knob.value * 2);
  const value = Math.min(knob.max, Math.max(knob.min, wanted));
  return value === knob.value ? undefined : { knob: knob.key, value, metric, why: found.statement };
}

/** A single chat: `240,000 tokens, 40,000 are usual`. */
export function farOutWords({ target, value, usual }: FarOut): string {
  const words = target === 'latency' ? (seconds: number) => duration(seconds * 1000) : (tokens: number) => grouped(Math.round(tokens));
  return target === 'latency'
    ? t('waited {value} for an answer, {usual} is usual', { value: words(value), usual: words(usual) })
    : t('took {value} tokens, {usual} are usual', { value: words(value), usual: words(usual) });
}
