// Signals and predictions of the recorded world.

import type { Chat, ChatSignals, Prediction } from '../bindings/api';
import type { AlarmScore, Share, Signals } from '../bindings/core';

const MB = 1_000_000;

/** Of a chat with a process: numbers that grow with the chat's own. */
export function signalsOf(chat: Chat, now: number): ChatSignals {
  const calls = 12 + ((chat.turns * 5) % 140);
  const measured: Signals = {
    at: new Date(now - 2000).toISOString(),
    client_version: chat.client_version,
    tokens: chat.tokens,
    context_used: chat.context_used,
    tokens_per_message: chat.turns === 0 ? null : chat.tokens / chat.turns,
    messages: chat.turns * 2,
    tool_calls: chat.turns === 0 ? 0 : calls,
    calls_since_checkpoint: chat.turns === 0 ? 0 : calls % 9,
    messages_per_minute: chat.state === 'working' ? 1.6 : 0,
    age_seconds: 600 + chat.turns * 210,
    since_answer_seconds: chat.state === 'working' ? 8 : null,
    latency_seconds: chat.turns === 0 ? null : 3.4 + (chat.turns % 5),
    latency_trend: chat.turns === 0 ? null : 1,
    failure_rate: chat.turns === 0 ? null : (chat.turns % 7) / 50,
    failures_in_a_row: 0,
    recent_errors: chat.turns % 2 === 0 && chat.turns > 0 ? ['tool:Bash', 'overloaded'] : [],
    rss_bytes: (380 + ((chat.turns * 37) % 500)) * MB,
    rss_slope: (chat.turns % 4) * 9000,
    cpu: chat.state === 'working' ? 0.31 : 0.002,
    transcript_growth: 0,
    transcript_bytes: chat.journal.bytes,
    memory_pressure: 0.44,
  };
  return { chat: chat.id, now: chat.pid === null ? null : measured, risk: chat.risk, history: [] };
}

/** One client whose rule of thumb has figures, and one of which too little is known. */
export function predictionsAt(now: number): Prediction[] {
  const at = (days: number) => new Date(now - days * 86_400_000).toISOString();
  return [
    {
      client: 'claude-code',
      source: 'zones',
      model: null,
      last_training: { version: 3, at: at(1), outcome: { verdict: 'not_better', than: 'zones', gain: -0.04, by_chance: 0.61 } },
      crashes: 23,
      crashes_needed: 20,
      worth: {
        predictions: 31_200,
        score: {
          windows: 412,
          crashes: 14,
          base_rate: 14 / 412,
          brier: 0.031,
          brier_skill: 0.056,
          average_precision: 0.19,
          calibration: [
            { from: 0, to: 0.01, windows: 0, predicted: 0, observed: share(0, 0) },
            { from: 0.01, to: 0.03, windows: 301, predicted: 0.01, observed: share(5, 301) },
            { from: 0.03, to: 0.1, windows: 88, predicted: 0.05, observed: share(6, 88) },
            { from: 0.1, to: 0.3, windows: 23, predicted: 0.2, observed: share(3, 23) },
          ],
          crash_prediction_accuracy: 0.959,
          accuracy_of_never: 0.966,
        },
        not_enough: null,
        alarms: {
          alarms: 41,
          false_alarms: 33,
          watched_days: 21.7,
          false_alarms_a_day: 1.52,
          foretold: share(6, 14),
          lead_seconds: 1320,
          acted: share(7, 38),
          held_out: null,
        },
      },
      before: [],
    },
    {
      client: 'codex',
      source: 'zones',
      model: null,
      last_training: null,
      crashes: 1,
      crashes_needed: 20,
      worth: {
        predictions: 40,
        score: null,
        not_enough: { windows: 7, windows_needed: 100, crashes: 1, crashes_needed: 5 },
        alarms: NO_ALARMS,
      },
      before: [],
    },
  ];
}

const NO_ALARMS: AlarmScore = {
  alarms: 0,
  false_alarms: 0,
  watched_days: 0.1,
  false_alarms_a_day: null,
  foretold: null,
  lead_seconds: null,
  acted: null,
  held_out: null,
};

function share(count: number, of: number): Share {
  const value = of === 0 ? 0 : count / of;
  return { of, count, share: value, low: value * 0.6, high: Math.min(1, value * 1.7) };
}
