// What foretells crashes and what that was worth, in sentences. No figure before there is enough behind it.

import type { Prediction } from '../../bindings/api';
import type { AlarmScore, NotEnough, Rival, Score, Verdict } from '../../bindings/core';
import { count, day, duration, fine, grouped, percent } from '../../format';

export const NOT_YET = 'Not enough yet';
/** Share of the base rate's error by which figures differ before that is said. */
const SKILL_MIN = 0.01;
/** A share that is known no better than this is said with what it may be. */
const SPAN_MAX = 0.2;

const RIVALS: Record<Rival, string> = {
  base_rate: 'the mere rate of crashes',
  zones: 'the rule of thumb',
  zones_at_this_rate: 'the rule of thumb at this machine’s rate',
};

/** What is in use, and why not something better. */
export function inUse(one: Prediction, now: number): string {
  if (one.model) {
    const { trained_at, rows, crashes } = one.model.model;
    return `A model learned on this machine on ${day(trained_at, now)}, from ${count(rows, 'minute')} and ${count(crashes, 'crash', 'crashes')}.`;
  }
  if (one.crashes < one.crashes_needed) {
    return `A rule of thumb. Learning begins at ${count(one.crashes_needed, 'crash', 'crashes')}; ${grouped(one.crashes)} so far.`;
  }
  const tried = one.last_training ? ` ${tryWords(one.last_training.outcome, day(one.last_training.at, now))}` : '';
  return `A rule of thumb, after ${count(one.crashes, 'crash', 'crashes')}.${tried}`;
}

function tryWords(verdict: Verdict, when: string): string {
  switch (verdict.verdict) {
    case 'taken':
      return `A model was learned on ${when}, and put aside since.`;
    case 'not_enough':
      return `The last try to learn, on ${when}, had ${verdict.crashes} of the ${count(verdict.needed, 'crash', 'crashes')} it takes.`;
    case 'not_better':
      return `What was learned on ${when} did not foretell later crashes better than ${RIVALS[verdict.than]}, so it is not used.`;
    case 'no_skill':
      return `What was learned on ${when} told nothing within the hour, so it is not used.`;
    case 'failed':
      return `The last try to learn, on ${when}, gave nothing: ${verdict.why}.`;
  }
}

/** The base rate stands beside every figure: without it none can be judged. */
export function worth(score: Score | null, missing: NotEnough | null): string[] {
  if (score === null) {
    if (missing === null) return [`${NOT_YET}.`];
    const hours = `${grouped(missing.windows)} of ${count(missing.windows_needed, 'hour')}`;
    return [`${NOT_YET}: ${hours} foretold, and ${grouped(missing.crashes)} of ${count(missing.crashes_needed, 'crash', 'crashes')} in them.`];
  }
  return [
    `Of ${count(score.windows, 'hour')} foretold, ${grouped(score.crashes)} had a crash: the base rate is ${fine(score.base_rate)}.`,
    skill(score.brier_skill),
    `Right in ${fine(score.crash_prediction_accuracy)} of the hours. Always saying “no crash” is right in ${fine(score.accuracy_of_never)}.`,
    `The hours it ranks as most dangerous had a crash ${timesOf(score)} as often as any hour (average precision ${score.average_precision.toFixed(2)}, base rate ${score.base_rate.toFixed(2)}).`,
  ];
}

function skill(brier_skill: number): string {
  if (Math.abs(brier_skill) < SKILL_MIN) return 'Its probabilities are no better than always saying the base rate.';
  const better = brier_skill > 0 ? 'better' : 'worse';
  return `Its probabilities are ${percent(Math.abs(brier_skill))} ${better} than always saying the base rate.`;
}

function timesOf({ average_precision, base_rate }: Score): string {
  return base_rate === 0 ? 'just' : `${(average_precision / base_rate).toFixed(1)} times`;
}

export function foretold({ foretold: share, lead_seconds }: AlarmScore): string {
  if (share === null) return `${NOT_YET}.`;
  const wide = share.high - share.low > SPAN_MAX;
  const span = wide ? ` With so few to go by, it may be anything between ${percent(share.low)} and ${percent(share.high)}.` : '';
  const lead = lead_seconds === null ? '' : ` Half of those alarms came at least ${duration(lead_seconds * 1000)} before.`;
  return `${grouped(share.count)} of ${count(share.of, 'crash', 'crashes')} had an alarm in the hour before: ${percent(share.share)}.${span}${lead}`;
}

export function falseAlarms({ false_alarms_a_day, false_alarms, alarms }: AlarmScore): string {
  if (false_alarms_a_day === null) return `${NOT_YET}.`;
  return `${false_alarms_a_day.toFixed(1)} a day: ${grouped(false_alarms)} of ${count(alarms, 'alarm')} came to nothing.`;
}
