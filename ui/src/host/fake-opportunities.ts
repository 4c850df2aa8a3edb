// What the fake machine's history says.

import type { Opportunity, OpportunityEvidence, OpportunityReport } from '../bindings/core';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A machine that is new. */
export function tooEarly(): OpportunityReport {
  return { state: 'not_enough_yet', chats: 31, chats_needed: 80, crashes: 4, crashes_needed: 10 };
}

export function looked(now: number): OpportunityReport {
  const at = (days: number) => new Date(now - days * DAY_MS).toISOString();
  return {
    state: 'looked',
    chats: 900,
    crashes: 108,
    since: at(42),
    split_at: at(20),
    candidates: 1240,
    found: [
      found({
        what: 'over 120 calls and over 80 % of the context',
        later: evidence(70, 31, 380, 30, 0.36, 0.24, 0.49, 1e-12),
        p_confirmed: 1e-11,
        standing: 'confirmed',
        proposal: { knob: 'checkpoints.calls', direction: 'lower', value: null },
        worth: { saved: 76, chance: 0.99, chats_needed: 640, least_fall: 0.1, value: 117, refused: null },
      }),
      found({
        kind: 'hazard',
        what: 'over 900 MB of memory',
        p_confirmed: 0.21,
        later: evidence(60, 9, 390, 41, 1.4, 0.7, 2.8, 0.21, 'ratio'),
        standing: 'not_confirmed',
        proposal: { knob: 'risk.warning.context_percent', direction: 'lower', value: 70 },
        worth: { saved: 3, chance: 0.8, chats_needed: 9100, least_fall: 0.2, value: 0, refused: 'telling a fall by 1.4 points from 15.0 % takes 9100 chats; within 2700 a fall by 9.0 points would show at least' },
      }),
      found({ target: 'latency', what: 'of gpt-5.2', later: null, p_confirmed: null, standing: 'too_few_later', proposal: null, worth: null }),
    ],
    far_out: [
      { target: 'latency', at: at(3), client: 'codex', value: 240, usual: 12 },
      { target: 'cost', at: at(5), client: 'claude-code', value: 4_200_000, usual: 310_000 },
    ],
  };
}

function evidence(chats: number, events: number, other_chats: number, other_events: number, estimate: number, low: number, high: number, p: number, measure: 'difference' | 'ratio' = 'difference'): OpportunityEvidence {
  return { chats, events, other_chats, other_events, effect: { measure, estimate, low, high }, p, chance: 1 - p / 2 };
}

function found(more: Partial<Opportunity> & { what: string }): Opportunity {
  const target = more.target ?? 'crashes';
  const rise = target === 'latency' ? 'waits far above the usual' : 'crashes';
  return {
    kind: 'subgroup',
    target,
    statement: `Chats ${more.what} are associated with ${rise}: 31 of 70, of the others 30 of 380 (+36.4 points, 95 % from +24.1 to +48.9)`,
    hypothesis: `With a lower setting there are fewer ${rise} among chats ${more.what}.`,
    earlier: evidence(64, 29, 386, 31, 0.37, 0.24, 0.5, 1e-9),
    q: 0.004,
    later: null,
    p_confirmed: null,
    standing: 'confirmed',
    proposal: null,
    worth: null,
    ...more,
  };
}
