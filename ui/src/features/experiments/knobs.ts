// The settings that may be tried, in words: what they are, what a value of them is, and who may change them.

import type { Experiments, Knob } from '../../bindings/api';
import type { ExperimentPlan, KnobUnit, Value } from '../../bindings/core';
import { count, day, grouped } from '../../format';
import { t } from '../../language';

/** A setting that is not known here keeps the key as its name. */
const TITLES: Record<string, string> = {
  'checkpoints.calls': t('Tool calls until the next checkpoint'),
  'checkpoints.minutes': t('Time until the next checkpoint'),
  'checkpoints.gap_high_seconds': t('Pause between checkpoints at high risk'),
  'checkpoints.gap_middle_seconds': t('Pause between checkpoints at middling risk'),
  'checkpoints.gap_low_seconds': t('Pause between checkpoints at low risk'),
  'risk.warning.context_percent': t('Context used, from where on SHIM warns'),
  'risk.warning.messages': t('Messages, from where on SHIM warns'),
  'risk.warning.minutes': t('Age of a chat, from where on SHIM warns'),
  'risk.warning.calls': t('Tool calls, from where on SHIM warns'),
  'risk.warning.failures_percent': t('Failed calls, from where on SHIM warns'),
  'risk.danger.context_percent': t('Context used, from where on a chat is in danger'),
  'risk.danger.messages': t('Messages, from where on a chat is in danger'),
  'risk.danger.minutes': t('Age of a chat, from where on it is in danger'),
  'risk.danger.calls': t('Tool calls, from where on a chat is in danger'),
  'risk.danger.failures_percent': t('Failed calls, from where on a chat is in danger'),
  'hang.spin_seconds': t('Spinning, until a chat counts as hung'),
  'hang.silent_seconds': t('Silence, until a chat counts as hung'),
  'hang.stopped_seconds': t('Being stopped, until a chat counts as hung'),
  'hang.cpu_percent': t('Processor use that counts as spinning'),
  'hang.readings': t('Readings in a row until a chat counts as hung'),
  'hang.after_wake_seconds': t('Patience after the machine woke up'),
  'policy.delay_seconds': t('Wait before a chat is brought back'),
  'policy.stable_seconds': t('Time after which a restored chat counts as stable'),
  'policy.retry_seconds': t('Wait before a restore is tried again'),
  'policy.apart_seconds': t('Time between two automatic restores'),
  'restore.window_seconds': t('Time in which restores of a chat are counted'),
  'signals.sample_seconds': t('Time between two readings of processes'),
  'restore.orphans': t('What becomes of tools that a dead chat left running'),
  'policy.auto_restore': t('Whether chats are brought back without being asked'),
  'policy.hung': t('Whether hung chats are brought back as well'),
  'policy.then': t('What a chat does once it is back'),
};

export function knobTitle(key: string): string {
  return TITLES[key] ?? key;
}

/** A value with its unit: `8 calls`, `75 %`. */
export function valueWords(value: Value, unit: KnobUnit): string {
  if (typeof value === 'boolean') return value ? t('on') : t('off');
  if (typeof value !== 'number') return Array.isArray(value) ? value.join(', ') : value;
  switch (unit) {
    case 'calls':
      return count(value, 'call');
    case 'minutes':
      return count(value, 'minute');
    case 'seconds':
      return count(value, 'second');
    case 'tokens':
      return count(value, 'token');
    case 'percent':
      return `${grouped(value)}\u00a0%`;
    case 'count':
    case 'choice':
      return grouped(value);
  }
}

/** The values of an experiment in words, the old one first. */
export function armWords(plan: ExperimentPlan, knobs: Knob[]): string[] {
  const unit = knobs.find(({ key }) => key === plan.knob)?.unit ?? 'count';
  return plan.arms.map((value) => valueWords(value, unit));
}

/** What is tried, as a title: `Tool calls until the next checkpoint: 4 calls instead of 8 calls`. */
export function planTitle(plan: ExperimentPlan, knobs: Knob[]): string {
  const [old = '', ...tried] = armWords(plan, knobs);
  return t('{knob}: {new} instead of {old}', { knob: knobTitle(plan.knob), new: tried.join(` ${t('or')} `), old });
}

/** From where to where it may be tried; undefined where it is not tried at all. */
export function boundsWords({ unit, min, max }: Knob): string | undefined {
  return max > min ? t('{low} to {high}', { low: valueWords(min, unit), high: valueWords(max, unit) }) : undefined;
}

/** Who may change it, and why it is left alone. */
export function mayChange(knob: Knob): string {
  if (knob.is_set) return t('You: it is set in config.toml, and never tried');
  if (knob.changed_by === 'user_only') return t('You alone: it decides what is done to your processes and your money');
  if (knob.varies === 'with_the_engine') return t('You alone: one value holds for the whole engine, so two cannot be compared');
  return t('Experiments, within these bounds');
}

/** Whether an experiment may try it. */
export function isTried(knob: Knob): boolean {
  return !knob.is_set && knob.changed_by === 'experiments' && knob.varies === 'by_chat';
}

/** Until when it rests; undefined where it does not. */
export function restWords(key: string, rests: Experiments['rests'], now: number): string | undefined {
  const rest = rests[key];
  if (rest === undefined || Date.parse(rest.until) <= now) return undefined;
  return t('Rests until {day}', { day: day(rest.until, now) });
}
