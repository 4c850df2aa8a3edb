// What foretells crashes and what that was worth, in sentences. No figure before there is enough behind it.

import type { Prediction } from '../../bindings/api';
import type { AlarmScore, NotEnough, Rival, Score, Verdict } from '../../bindings/core';
import { count, day, decimal, duration, fine, grouped, percent } from '../../format';
import { t } from '../../language';

/** Share of the base rate's error by which figures differ before that is said. */
const SKILL_MIN = 0.01;
/** A share that is known no better than this is said with what it may be. */
const SPAN_MAX = 0.2;

const RIVALS: Record<Rival, string> = {
  base_rate: t('the mere rate of crashes'),
  zones: t('the rule of thumb'),
  zones_at_this_rate: t('the rule of thumb at this machine’s rate'),
};

/** What is in use, and why not something better. */
export function inUse(one: Prediction, now: number): string {
  if (one.model) {
    const { trained_at, rows, crashes } = one.model.model;
    return t('A model learned on this machine on {day}, from {minutes} and {crashes}.', {
      day: day(trained_at, now),
      minutes: count(rows, 'minute'),
      crashes: count(crashes, 'crash', 'crashes'),
    });
  }
  if (one.crashes < one.crashes_needed) {
    return t('A rule of thumb. Learning begins at {needed}; {n} so far.', {
      needed: count(one.crashes_needed, 'crash', 'crashes'),
      n: grouped(one.crashes),
    });
  }
  const tried = one.last_training ? ` ${tryWords(one.last_training.outcome, day(one.last_training.at, now))}` : '';
  return t('A rule of thumb, after {crashes}.', { crashes: count(one.crashes, 'crash', 'crashes') }) + tried;
}

function tryWords(verdict: Verdict, day: string): string {
  switch (verdict.verdict) {
    case 'taken':
      return t('A model was learned on {day}, and put aside since.', { day });
    case 'not_enough':
      return t('The last try to learn, on {day}, had {n} of the {needed} it takes.', {
        day,
        n: verdict.crashes,
        needed: count(verdict.needed, 'crash', 'crashes'),
      });
    case 'not_better':
      return t('What was learned on {day} did not foretell later crashes better than {rival}, so it is not used.', {
        day,
        rival: RIVALS[verdict.than],
      });
    case 'no_skill':
      return t('What was learned on {day} told nothing within the hour, so it is not used.', { day });
    case 'failed':
      return t('The last try to learn, on {day}, gave nothing: {why}.', { day, why: verdict.why });
  }
}

/** The base rate stands beside every figure: without it none can be judged. */
export function worth(score: Score | null, missing: NotEnough | null): string[] {
  if (score === null) {
    if (missing === null) return [t('Not enough yet.')];
    return [
      t('Not enough yet: {n} of {hours} foretold, and {crashed} of {needed} in them.', {
        n: grouped(missing.windows),
        hours: count(missing.windows_needed, 'hour'),
        crashed: grouped(missing.crashes),
        needed: count(missing.crashes_needed, 'crash', 'crashes'),
      }),
    ];
  }
  return [
    t('Of {hours} foretold, {n} had a crash: the base rate is {rate}.', {
      hours: count(score.windows, 'hour'),
      n: grouped(score.crashes),
      rate: fine(score.base_rate),
    }),
    skill(score.brier_skill),
    t('Right in {share} of the hours. Always saying “no crash” is right in {never}.', {
      share: fine(score.crash_prediction_accuracy),
      never: fine(score.accuracy_of_never),
    }),
    t('The hours it ranks as most dangerous had a crash {times} as often as any hour (average precision {precision}, base rate {rate}).', {
      times: timesOf(score),
      precision: decimal(score.average_precision, 2),
      rate: decimal(score.base_rate, 2),
    }),
  ];
}

function skill(brier_skill: number): string {
  if (Math.abs(brier_skill) < SKILL_MIN) return t('Its probabilities are no better than always saying the base rate.');
  const share = percent(Math.abs(brier_skill));
  return brier_skill > 0
    ? t('Its probabilities are {share} better than always saying the base rate.', { share })
    : t('Its probabilities are {share} worse than always saying the base rate.', { share });
}

function timesOf({ average_precision, base_rate }: Score): string {
  return base_rate === 0 ? t('just') : t('{n} times', { n: decimal(average_precision / base_rate, 1) });
}

export function foretold({ foretold: share, lead_seconds }: AlarmScore): string {
  if (share === null) return t('Not enough yet.');
  const wide = share.high - share.low > SPAN_MAX;
  const { low, high } = { low: percent(share.low), high: percent(share.high) };
  const span = wide ? [t('With so few to go by, it may be anything between {low} and {high}.', { low, high })] : [];
  const lead =
    lead_seconds === null ? [] : [t('Half of those alarms came at least {time} before.', { time: duration(lead_seconds * 1000) })];
  const had = t('{n} of {crashes} had an alarm in the hour before: {share}.', {
    n: grouped(share.count),
    crashes: count(share.of, 'crash', 'crashes'),
    share: percent(share.share),
  });
  return [had, ...span, ...lead].join(' ');
}

export function falseAlarms({ false_alarms_a_day, false_alarms, alarms }: AlarmScore): string {
  if (false_alarms_a_day === null) return t('Not enough yet.');
  return t('{n} a day: {none} of {alarms} came to nothing.', {
    n: decimal(false_alarms_a_day, 1),
    none: grouped(false_alarms),
    alarms: count(alarms, 'alarm'),
  });
}
