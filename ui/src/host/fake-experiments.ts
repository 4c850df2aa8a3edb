// Experiments of the recorded world: one in each state, with a log of what was decided, and its user's word followed as
// the engine does.

import type { ApiError, Audit, AuditEntry, BoundStand, Chart, Experiment, ExperimentRequest, Experiments, ExperimentTrial, Knob } from '../bindings/api';
import type { DecisionWhat, EvidencePoint, ExperimentMetric, ExperimentState, Idea, KnobUnit, Value } from '../bindings/core';
import { evidenceLines } from './fake-charts';

export interface Tried {
  view: Experiments;
  /** Oldest first. */
  log: AuditEntry[];
}

const DAY_MS = 86_400_000;

/** Nothing was tried: knobs alone. */
export function untried(): Tried {
  const totals = { begun: 0, deployed: 0, confirmed: 0, rolled_back: 0, violations: 0, inconclusive: 0, stopped: 0 };
  return { view: { automatic: true, totals, experiments: [], rests: {}, knobs: knobs() }, log: [] };
}

/** One experiment in each state. */
export function tried(now: number): Tried {
  const at = (days: number) => new Date(now - days * DAY_MS).toISOString();
  const course = (better: number, worse: number, from = 20) => courseOf(now, from, better, worse);
  const experiments = [
    experiment(8, 'risk.warning.context_percent', [75, 65], 'unsaved_calls', { is: 'draft' }, { why: 'calls since the last checkpoint are associated with a full context' }),
    experiment(7, 'checkpoints.calls', [8, 4], 'crash', { is: 'running', since: at(6), share: 2500 }, {
      began: at(9),
      why: 'crashes are associated with long stretches between checkpoints (41 of 212 chats against 12 of 230)',
      trials: [trial(course(2.4, 0.31), { low: -0.121, estimate: -0.043, high: 0.036 }, calmBounds())],
    }),
    experiment(6, 'checkpoints.minutes', [10, 5, 20], 'unsaved_calls', { is: 'probation', since: at(3), arm: 1, why: 'better with probability 0.91, after 188 outcomes' }, {
      began: at(21),
      trials: [
        trial(course(11.2, 0.04), { is_ratio: true, low: 0.58, estimate: 0.71, high: 0.9 }, doubtfulBounds()),
        { ...trial(course(0.1, 3.1), { is_ratio: true, low: 0.97, estimate: 1.3, high: 1.8 }, []), dropped: 'worse with probability 0.71, after 120 outcomes' },
      ],
    }),
    experiment(5, 'hang.silent_seconds', [1800, 900], 'crash', { is: 'confirmed', at: at(30), arm: 1, why: 'proved better: e = 21.4 of 20 that were asked, after 640 outcomes' }, {
      began: at(80),
      trials: [trial(course(21.4, 0.001, 60), { low: -0.09, estimate: -0.06, high: -0.03 }, [])],
    }),
    experiment(4, 'checkpoints.gap_low_seconds', [60, 30], 'checkpoint_seconds', { is: 'stopped', at: at(40), why: 'its user pinned arm 1', holds: 1 }, {
      began: at(50),
      trials: [trial(course(1.4, 0.8), { is_ratio: true, low: 0.8, estimate: 0.97, high: 1.2 }, [])],
    }),
    experiment(3, 'risk.danger.context_percent', [85, 95], 'crash', { is: 'rolled_back', at: at(12), why: 'crash_rate: worse than the control by more than is allowed (e = 24); at most 10 % of the chats crash, and no more than without the change' }, {
      began: at(20),
      trials: [trial(course(0.02, 6.1), { low: 0.02, estimate: 0.11, high: 0.2 }, [])],
    }),
    experiment(2, 'risk.warning.minutes', [60, 30], 'crash', { is: 'inconclusive', at: at(60), why: '450 outcomes tell neither that it is better nor that it is worse' }, {
      began: at(90),
      trials: [trial(course(0.7, 0.6, 90), { low: -0.03, estimate: -0.004, high: 0.03 }, [])],
    }),
    experiment(1, 'checkpoints.calls', [8, 16], 'crash', { is: 'stopped', at: at(95), why: 'its user stopped it', holds: 0 }, { began: at(96), trials: [trial([], null, [])] }),
  ];
  return {
    view: {
      automatic: true,
      totals: { begun: 7, deployed: 3, confirmed: 1, rolled_back: 1, violations: 1, inconclusive: 1, stopped: 2 },
      experiments,
      rests: { 'risk.danger.context_percent': { until: new Date(now + 18 * DAY_MS).toISOString(), why: 'crash_rate: worse than the control by more than is allowed' } },
      knobs: knobs(),
    },
    log: logOf(now),
  };
}

interface More {
  began?: string;
  why?: string;
  trials?: ExperimentTrial[];
}

function experiment(id: number, knob: string, arms: Value[], metric: ExperimentMetric, state: ExperimentState, { began, why = 'it may save what a crash costs', trials = [] }: More): Experiment {
  const placed = trials.map((one, place) => ({ ...one, arm: place + 1 }));
  return {
    id,
    plan: { knob, arms, metric, why, from: id === 1 ? 'user' : 'opportunity' },
    state,
    standing: state.is.replace('_', ' '),
    began_at: began ?? null,
    arms: arms.map((value, arm) => {
      const outcomes = placed[Math.max(0, arm - 1)]?.last.n[arm === 0 ? 0 : 1] ?? 0;
      return { value, share: shareOf(state, arm, arms.length), counts: { assigned: outcomes + 9, exposed: outcomes + 4, outcomes } };
    }),
    trials: placed,
    double_exposed: id === 6 ? 2 : 0,
    ratio_e: 0.4,
    salt: `shim:${knob}:${id}`,
    worth: state.is === 'draft' ? 0.012 : null,
    confirm_e: 20 * Math.max(1, placed.length),
    rollback_e: 5,
  };
}

function shareOf(state: ExperimentState, arm: number, arms: number): number {
  if (state.is === 'running') return arm === 0 ? 10_000 - state.share : state.share / (arms - 1);
  if (state.is === 'probation') return arm === 0 ? 1000 : arm === state.arm ? 9000 : 0;
  const holds = state.is === 'confirmed' ? state.arm : state.is === 'stopped' ? state.holds : 0;
  return arm === holds ? 10_000 : 0;
}

type Effect = { is_ratio?: boolean; low: number; estimate: number; high: number };

function trial(course: EvidencePoint[], effect: Effect | null, bounds: BoundStand[]): ExperimentTrial {
  const none: EvidencePoint = { at: new Date(0).toISOString(), n: [0, 0], means: [0, 0], better_e: 1, worse_e: 1, p_better: 0.5, p_worse: 0.5 };
  return { arm: 1, last: course.at(-1) ?? none, course, effect: effect && { is_ratio: false, ...effect }, dropped: null, bounds };
}

/** From no evidence to what it is now. */
function courseOf(now: number, points: number, better: number, worse: number): EvidencePoint[] {
  return Array.from({ length: points }, (_, index): EvidencePoint => {
    const part = (index + 1) / points;
    return {
      at: new Date(now - (points - 1 - index) * 0.4 * DAY_MS).toISOString(),
      n: [(index + 1) * 5, (index + 1) * 2],
      means: [0.12, 0.08],
      better_e: better ** part,
      worse_e: worse ** part,
      p_better: 0.5 + 0.31 * part,
      p_worse: 0.5 - 0.31 * part,
    };
  });
}

const ABOUT: [string, string][] = [
  ['crash_rate', 'at most 10 % of the chats crash, and no more than without the change'],
  ['checkpoint_time', 'in at most 5 % of the chats does the 95th percentile of checkpoints lie over 100 ms'],
  ['resume_success', 'at least 90 % of restores succeed, and no fewer than without the change'],
  ['token_cost', 'tokens by turn are at most 1.2 times those without the change'],
];

function calmBounds(): BoundStand[] {
  return ABOUT.map(([name, about], place) => ({ name, about, absolute_e: 0.4 + place / 2, relative_e: 0.8, waived: false }));
}

function doubtfulBounds(): BoundStand[] {
  const doubtful: Record<string, Partial<BoundStand>> = { checkpoint_time: { absolute_e: 7.5 }, crash_rate: { absolute_e: 31, waived: true } };
  return calmBounds().map((bound) => ({ ...bound, ...doubtful[bound.name] }));
}

function knobs(): Knob[] {
  const knob = (key: string, unit: KnobUnit, preset: Value, min: number, max: number, step: string, more: Partial<Knob> = {}): Knob => ({
    key,
    unit,
    about: `What ${key} does.`,
    default: preset,
    value: preset,
    is_set: false,
    min,
    max,
    step,
    affects: ['crash', 'unsaved_calls'],
    changed_by: 'experiments',
    varies: 'by_chat',
    ...more,
  });
  const double = 'at most 2 times up or down';
  return [
    knob('checkpoints.calls', 'calls', 8, 2, 64, double),
    knob('checkpoints.minutes', 'minutes', 10, 1, 60, double, { is_set: true, value: 12 }),
    knob('checkpoints.gap_low_seconds', 'seconds', 60, 5, 300, double, { value: 30 }),
    knob('risk.warning.context_percent', 'percent', 75, 30, 90, 'by at most 10'),
    knob('risk.warning.minutes', 'minutes', 60, 10, 600, double),
    knob('risk.danger.context_percent', 'percent', 85, 40, 95, 'by at most 10'),
    knob('hang.silent_seconds', 'seconds', 1800, 300, 7200, double, { value: 900 }),
    knob('signals.sample_seconds', 'seconds', 5, 2, 30, double, { varies: 'with_the_engine' }),
    knob('policy.auto_restore', 'choice', 'off', 0, 0, 'to any of its words', { changed_by: 'user_only' }),
  ];
}

function logOf(now: number): AuditEntry[] {
  const entry = (number: number, days: number, is: string, knob = '', experiment = 0, what: DecisionWhat | null = null, why = ''): AuditEntry => ({
    number,
    at: new Date(now - days * DAY_MS).toISOString(),
    event: { is },
    decided: what ? [{ experiment, knob, decided: { what, why } }] : [],
  });
  const earlier = Array.from({ length: 30 }, (_, index) =>
    entry(index + 1, 99 - index, 'measured', 'risk.warning.minutes', 2, { is: 'ramped', share: 2500 }, 'nothing against it'),
  );
  return [
    ...earlier,
    entry(38, 60, 'measured', 'risk.warning.minutes', 2, { is: 'inconclusive' }, '450 outcomes tell neither that it is better nor that it is worse'),
    entry(39, 40, 'pin', 'checkpoints.gap_low_seconds', 4, { is: 'stopped', holds: 1 }, 'its user pinned arm 1'),
    entry(40, 30, 'measured', 'hang.silent_seconds', 5, { is: 'confirmed', arm: 1 }, 'proved better: e = 21.4 of 20 that were asked, after 640 outcomes'),
    entry(41, 12, 'measured', 'risk.danger.context_percent', 3, { is: 'rolled_back', violation: true }, 'crash_rate: worse than the control by more than is allowed'),
    entry(42, 9, 'tick', 'checkpoints.calls', 7, { is: 'began' }, 'crashes are associated with long stretches between checkpoints'),
    entry(43, 8, 'came'),
    entry(44, 6, 'measured', 'checkpoints.calls', 7, { is: 'ramped', share: 2500 }, '3 outcomes of what is tried, and nothing against it'),
    entry(45, 4, 'measured', 'checkpoints.minutes', 6, { is: 'dropped', arm: 2 }, 'worse with probability 0.71, after 120 outcomes'),
    entry(46, 3, 'measured', 'checkpoints.minutes', 6, { is: 'shipped', arm: 1 }, 'better with probability 0.91, after 188 outcomes'),
  ];
}

function find({ view }: Tried, id: number): Experiment {
  const found = view.experiments.find((one) => one.id === id);
  if (found) return found;
  const missing: ApiError = { code: 'not_found', message: `there is no experiment ${id}`, details: null };
  throw missing;
}

export function evidenceChart(played: Tried, id: number, arm: number): Chart {
  const { trials, confirm_e, rollback_e } = find(played, id);
  return evidenceLines(trials.find((one) => one.arm === arm)?.course ?? [], confirm_e, rollback_e);
}

/** The user's word, followed. */
export function follow(played: Tried, request: ExperimentRequest, now: number): Experiment {
  if (request.do === 'propose') return propose(played, request.idea, now);
  const found = find(played, request.experiment);
  const at = new Date(now).toISOString();
  const say = (what: DecisionWhat, why: string) => {
    const decided = [{ experiment: found.id, knob: found.plan.knob, decided: { what, why } }];
    played.log.push({ number: (played.log.at(-1)?.number ?? 0) + 1, at, event: { is: request.do }, decided });
  };
  if (request.do === 'override') {
    say({ is: 'overridden', arm: request.arm }, `its user gave ${request.chat} arm ${request.arm}`);
    return found;
  }
  if (request.do === 'start') {
    if (found.state.is !== 'draft') throw refused(`experiment ${found.id} is ${found.standing}: it has begun before`);
    found.state = { is: 'running', since: at, share: 1000 };
    found.began_at = at;
    played.view.totals.begun += 1;
    say({ is: 'began' }, found.plan.why);
  } else {
    const holds = request.do === 'pin' ? request.arm : 0;
    const why = request.do === 'pin' ? `its user pinned arm ${holds}` : request.do === 'undo' ? 'its user took it back' : 'its user stopped it';
    found.state = { is: 'stopped', at, why, holds };
    played.view.totals.stopped += 1;
    say({ is: 'stopped', holds }, why);
  }
  found.arms.forEach((one, arm) => (one.share = shareOf(found.state, arm, found.arms.length)));
  return found;
}

/** Begun at once, as every page asks for it. */
function propose({ view, log }: Tried, idea: Idea, now: number): Experiment {
  const knob = view.knobs.find(({ key }) => key === idea.knob);
  const busy = view.experiments.find(({ plan, state }) => plan.knob === idea.knob && (state.is === 'running' || state.is === 'probation'));
  if (busy) throw refused(`experiment ${busy.id} on \`${idea.knob}\` is open: one at a time`);
  const id = Math.max(0, ...view.experiments.map((one) => one.id)) + 1;
  const at = new Date(now).toISOString();
  const arms = [knob?.value ?? 0, ...idea.values];
  const begun = experiment(id, idea.knob, arms, idea.metric, { is: 'running', since: at, share: 1000 }, { began: at, why: idea.why });
  begun.plan.from = idea.from;
  view.experiments.push(begun);
  view.totals.begun += 1;
  log.push({ number: (log.at(-1)?.number ?? 0) + 1, at, event: { is: 'idea' }, decided: [{ experiment: id, knob: idea.knob, decided: { what: { is: 'began' }, why: idea.why } }] });
  return begun;
}

function refused(message: string): ApiError {
  return { code: 'refused', message, details: null };
}

export function auditOf({ log }: Tried, { all, before, limit, replay }: { all: boolean; before: number | null; limit: number; replay: boolean }): Audit {
  const wanted = log.filter(({ number, decided }) => (before === null || number < before) && (all || decided.length > 0));
  const same = { entries: log.length, same: true, note: 'the log gives the state that is in force' };
  return { entries: wanted.reverse().slice(0, limit), replay: replay ? same : null };
}
