// What the pages ask for, and which events make each answer stale.

import type {
  Audit,
  Chart,
  Chat,
  ChatSignals,
  Checkpoint,
  Crash,
  Event,
  Experiments,
  Finding,
  FleetView,
  Offer,
  Prediction,
  SettingsView,
  Status,
} from '../bindings/api';
import type { Fingerprint, OpportunityReport } from '../bindings/core';
import { live, type Live } from './live.svelte';

/** With `measured`, what SHIM itself uses is kept fresh too. */
export function liveStatus({ measured = false } = {}): Live<Status> {
  return live(
    (host) => host.status(),
    ({ event }) => event === 'status_changed' || event === 'crash_recorded' || event === 'restore_finished',
    { measured },
  );
}

export function liveChats(): Live<Chat[]> {
  return live(
    (host) => host.chats(),
    ({ event }) => event === 'chat_changed' || event === 'crash_recorded' || event === 'restore_finished',
  );
}

/** The chat alone; what happened in it is asked for by pages. */
export function liveChat(target: string): Live<Chat> {
  return live(
    async (host) => (await host.chat({ target, limit: 1 })).chat,
    (event) => concerns(event, target),
  );
}

export function liveCheckpoints(target: string): Live<Checkpoint[]> {
  return live(
    (host) => host.checkpoints({ target }),
    (event) => (event.event === 'checkpoint_taken' || event.event === 'workspace_kept' || event.event === 'crash_recorded') && concerns(event, target),
  );
}

export function liveCrashes(): Live<Crash[]> {
  return live(
    (host) => host.crashes(),
    (event, crashes) => {
      switch (event.event) {
        case 'crash_recorded':
        case 'crashes_resolved':
        case 'restore_finished':
          return true;
        case 'chat_changed':
          // A chat that goes on resolves its crash; any other growth of chats leaves crashes as they are.
          return crashes?.some((crash) => crash.chat === event.chat && !crash.resolved) ?? false;
        default:
          return false;
      }
    },
  );
}

/** Crashes by day and kind, over `days()` days of this reader's. */
export function liveCrashChart(days: () => number): Live<Chart> {
  return live(
    (host) => host.crash_chart({ days: days(), offset_minutes: minutesEast() }),
    ({ event }) => event === 'crash_recorded',
  );
}

/** A live chat's memory and context over the last minutes. */
export function liveSignalsChart(target: string, minutes: number): Live<Chart> {
  return live(
    (host) => host.signals_chart({ target, minutes }),
    () => false,
    { measured: true },
  );
}

/** A chat's numbers as they are now. */
export function liveSignals(target: string): Live<ChatSignals> {
  return live(
    (host) => host.signals({ target, minutes: 1 }),
    (event) => (event.event === 'crash_recorded' || event.event === 'restore_finished') && concerns(event, target),
    { measured: true },
  );
}

export function livePrediction(): Live<Prediction[]> {
  return live(
    (host) => host.prediction(),
    ({ event }) => event === 'crash_recorded',
  );
}

/** What is tried, on what evidence; evidence grows with each chat that ends, without an event. */
export function liveExperiments(): Live<Experiments> {
  return live(
    (host) => host.experiments(),
    ({ event }) => event === 'experiments_changed' || event === 'settings_changed',
    { measured: true },
  );
}

/** How the evidence about the experiment's new value `arm` came to stand where it does. */
export function liveExperimentChart(experiment: number, arm: number): Live<Chart> {
  return live(
    (host) => host.experiment_chart({ experiment, arm, offset_minutes: minutesEast() }),
    ({ event }) => event === 'experiments_changed',
    { measured: true },
  );
}

/** What stands out in the history; it is gone through once, since that takes a while. */
export function liveOpportunities(): Live<OpportunityReport> {
  return live(
    (host) => host.opportunities({ offset_minutes: minutesEast() }),
    () => false,
  );
}

/** The newest entries of the audit log; with what is only counted it grows without an event. */
export function liveAudit(wanted: () => { all: boolean; before: number | null; limit: number; replay: boolean }): Live<Audit> {
  return live(
    (host) => host.audit(wanted()),
    ({ event }) => event === 'experiments_changed',
  );
}

/** What the doctor finds without reading the journal. */
export function liveDoctor(): Live<Finding[]> {
  return live(
    (host) => host.doctor({ verify: false }),
    ({ event }) => event === 'status_changed',
  );
}

/** What can be installed here, as it stands. */
export function liveOffers(): Live<Offer[]> {
  return live(
    (host) => host.offers(),
    ({ event }) => event === 'status_changed',
  );
}

/** Crashes that look alike; days are named as this reader's. */
export function liveFingerprints(): Live<Fingerprint[]> {
  return live(
    (host) => host.fingerprints({ offset_minutes: minutesEast() }),
    ({ event }) => event === 'crash_recorded',
  );
}

export function liveFleet(): Live<FleetView> {
  return live(
    (host) => host.fleet(),
    ({ event }) =>
      event === 'fleet_changed' || event === 'crash_recorded' || event === 'restore_finished' || event === 'status_changed',
  );
}

export function liveSettings(): Live<SettingsView> {
  return live(
    (host) => host.settings(),
    ({ event }) => event === 'settings_changed',
  );
}

/** Of UTC, where the reader is. */
function minutesEast(): number {
  return -new Date().getTimezoneOffset();
}

/** Whether an event tells something of a chat. */
export function concerns(event: Event, chat: string): boolean {
  switch (event.event) {
    case 'chat_changed':
    case 'crashes_resolved':
    case 'checkpoint_taken':
    case 'workspace_kept':
    case 'restore_started':
    case 'chat_stopped':
    case 'chat_repaired':
    case 'journal_dropped':
    case 'journal_kept':
    case 'hang_over':
    case 'policy_decided':
      return event.chat === chat;
    case 'crash_recorded':
      return event.crash.chat === chat;
    case 'restore_finished':
      return event.receipt.chat === chat || event.receipt.fork_of === chat;
    case 'status_changed':
    case 'experiments_changed':
    case 'bound_broken':
    case 'settings_changed':
    case 'fleet_changed':
    case 'notice':
    case 'predictions_settled':
    case 'model_trained':
    case 'missed':
      return false;
  }
}
