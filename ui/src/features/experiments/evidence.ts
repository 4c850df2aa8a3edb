// What the evidence says, in sentences that claim no more than it does.

import type { BoundStand, EffectInterval, Experiment, ExperimentTrial } from '../../bindings/api';
import type { ExperimentMetric } from '../../bindings/core';
import { decimal, duration, percent } from '../../format';
import { t } from '../../language';

/** A safety bound is broken at this evidence, and in doubt from the lower one on: nothing is deployed then. */
export const BROKEN_E = 20;
const DOUBTFUL_E = 5;
/** The assignment is broken at this evidence: nothing that the experiment says can be trusted. */
const RATIO_BROKEN_E = 1000;

export const METRIC_WORDS: Record<ExperimentMetric, string> = {
  crash: t('chats that crashed or hung'),
  slow_checkpoints: t('chats whose checkpoints were slow'),
  restore_failed: t('chats that could not be restored'),
  checkpoint_seconds: t('seconds that a checkpoint takes'),
  checkpoint_load: t('seconds of checkpoints by turn'),
  tokens_per_turn: t('tokens by turn'),
  unsaved_calls: t('tool calls since the last checkpoint, at a chat’s end'),
};

type Binary = 'crash' | 'slow_checkpoints' | 'restore_failed';
const isBinary = (metric: ExperimentMetric): metric is Binary => metric in FEWER;

const FEWER: Record<Binary, string> = {
  crash: t('Between {low} and {high} of 100 chats fewer crashed.'),
  slow_checkpoints: t('Between {low} and {high} of 100 chats fewer had slow checkpoints.'),
  restore_failed: t('Between {low} and {high} of 100 chats fewer could not be restored.'),
};
const MORE: Record<Binary, string> = {
  crash: t('Between {low} and {high} of 100 chats more crashed.'),
  slow_checkpoints: t('Between {low} and {high} of 100 chats more had slow checkpoints.'),
  restore_failed: t('Between {low} and {high} of 100 chats more could not be restored.'),
};
const EITHER: Record<Binary, string> = {
  crash: t('Anything from {fewer} of 100 chats fewer to {more} of 100 more that crashed: these chats do not tell.'),
  slow_checkpoints: t('Anything from {fewer} of 100 chats fewer to {more} of 100 more with slow checkpoints: these chats do not tell.'),
  restore_failed: t('Anything from {fewer} of 100 chats fewer to {more} of 100 more that could not be restored: these chats do not tell.'),
};

/** How far the new value is from the old one, with what it may be. */
export function effectWords(metric: ExperimentMetric, effect: EffectInterval | null): string {
  if (effect === null) return t('Nothing can be said before chats with each value have ended.');
  const low = effect.is_ratio ? effect.low - 1 : effect.low;
  const high = effect.is_ratio ? effect.high - 1 : effect.high;
  if (isBinary(metric) && !effect.is_ratio) return difference(metric, low, high);
  return ratio(METRIC_WORDS[metric], low, high);
}

function difference(metric: Binary, low: number, high: number): string {
  if (high < 0) return filled(FEWER[metric], { low: ofHundred(-high), high: ofHundred(-low) });
  if (low > 0) return filled(MORE[metric], { low: ofHundred(low), high: ofHundred(high) });
  return filled(EITHER[metric], { fewer: ofHundred(-low), more: ofHundred(high) });
}

function ratio(what: string, low: number, high: number): string {
  if (high < 0) return t('Between {low} and {high} fewer {what}.', { low: percent(-high), high: percent(-low), what });
  if (low > 0) return t('Between {low} and {high} more {what}.', { low: percent(low), high: percent(high), what });
  return t('Anything from {fewer} fewer to {more} more {what}: these chats do not tell.', {
    fewer: percent(-low),
    more: percent(high),
    what,
  });
}

/** The texts above are translated as this is loaded; only their places are left. */
function filled(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

function ofHundred(share: number): string {
  const n = Math.abs(share) * 100;
  return decimal(n, n < 10 && Math.abs(n - Math.round(n)) >= 0.05 ? 1 : 0);
}

/** The mean of what was measured of a value's chats. */
export function meanWords(metric: ExperimentMetric, mean: number): string {
  if (isBinary(metric)) return percent(mean);
  return metric === 'checkpoint_seconds' || metric === 'checkpoint_load' ? duration(mean * 1000) : decimal(mean, mean < 100 ? 1 : 0);
}

/** Evidence as a number to be compared with a boundary. */
export function evidenceWords(e: number): string {
  if (e >= 1000) return t('over 1000');
  if (e < 0.01) return t('under {n}', { n: decimal(0.01, 2) });
  return decimal(e, e < 1 ? 2 : e < 100 ? 1 : 0);
}

/** Where a new value stands between being confirmed and being taken back. */
export function standsWords(trial: ExperimentTrial, { confirm_e, rollback_e }: Experiment): string {
  const { better_e, worse_e, p_better } = trial.last;
  return t('Evidence that it is better: {better}, confirmed at {confirm}. That it is worse: {worse}, taken back at {rollback}. Better with a probability of {p}, as far as these chats tell.', {
    better: evidenceWords(better_e),
    confirm: decimal(confirm_e, 0),
    worse: evidenceWords(worse_e),
    rollback: decimal(rollback_e, 0),
    p: percent(p_better),
  });
}

export function isAssignmentBroken({ ratio_e }: Experiment): boolean {
  return ratio_e >= RATIO_BROKEN_E;
}

export type Calm = 'calm' | 'doubtful' | 'broken';

export const CALM_WORDS: Record<Calm, string> = {
  calm: t('Kept'),
  doubtful: t('In doubt: nothing is deployed'),
  broken: t('Broken: taken back'),
};

const BOUND_NAMES: Record<string, string> = {
  crash_rate: t('Crashes'),
  checkpoint_time: t('Slow checkpoints'),
  resume_success: t('Failed restores'),
  token_cost: t('Tokens by turn'),
  checkpoint_load: t('Seconds of checkpoints by turn'),
  unsaved_work: t('Unsaved tool calls'),
};

/** What it holds within limits. The limit itself is told in the engine's words. */
export function boundName({ name }: BoundStand): string {
  return BOUND_NAMES[name] ?? name;
}

/** The evidence that counts. */
function against({ absolute_e, relative_e, waived }: BoundStand): number {
  return waived ? relative_e : Math.max(absolute_e, relative_e);
}

export function calm(bound: BoundStand): Calm {
  const e = against(bound);
  return e >= BROKEN_E ? 'broken' : e >= DOUBTFUL_E ? 'doubtful' : 'calm';
}

/** How much of the way to being broken is gone, 0 to 1; evidence multiplies. */
export function wayGone(bound: BoundStand): number {
  return Math.min(1, Math.max(0, Math.log(against(bound)) / Math.log(BROKEN_E)));
}

export function boundStands({ absolute_e, relative_e, waived }: BoundStand): string {
  const values = { alone: evidenceWords(absolute_e), beside: evidenceWords(relative_e), broken: BROKEN_E };
  return waived
    ? t('The old value breaks it as well, so only the comparison counts: {beside} of {broken}.', values)
    : t('Evidence against it: {alone} of {broken} by itself, {beside} of {broken} beside the old value.', values);
}
