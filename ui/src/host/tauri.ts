// The desktop app as host. The only file that knows Tauri.

import { invoke } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import type { Event } from '../bindings/api';
import type { Host } from './host';
import { listeners } from './listeners';

/** Resolves once events are heard, so that nothing that happens after the first fetch is missed. */
export async function openTauriHost(): Promise<Host> {
  const events = listeners<Event>();
  const engine = listeners<boolean>();
  const navigation = listeners<string>();
  await Promise.all([
    listen<Event>('shim', ({ payload }) => events.tell(payload)),
    listen<{ up: boolean }>('engine', ({ payload }) => engine.tell(payload.up)),
    listen<string>('navigate', ({ payload }) => navigation.tell(payload)),
  ]);
  return {
    status: () => invoke('status'),
    chats: () => invoke('chats'),
    chat: (args) => invoke('chat', args),
    timeline: (args) => invoke('timeline', args),
    crashes: () => invoke('crashes'),
    crash_chart: ({ days, offset_minutes }) => invoke('crash_chart', { days, offsetMinutes: offset_minutes }),
    signals_chart: (args) => invoke('signals_chart', args),
    signals: (args) => invoke('signals', args),
    prediction: () => invoke('prediction'),
    experiments: () => invoke('experiments'),
    experiment_chart: ({ experiment, arm, offset_minutes }) => invoke('experiment_chart', { experiment, arm, offsetMinutes: offset_minutes }),
    about_experiment: (args) => invoke('about_experiment', args),
    audit: (args) => invoke('audit', args),
    opportunities: ({ offset_minutes }) => invoke('opportunities', { offsetMinutes: offset_minutes }),
    fingerprints: ({ offset_minutes }) => invoke('fingerprints', { offsetMinutes: offset_minutes }),
    checkpoints: (args) => invoke('checkpoints', args),
    take_checkpoint: (args) => invoke('take_checkpoint', args),
    export_chat: (args) => invoke('export_chat', args),
    restore: (args) => invoke('restore', args),
    fleet: () => invoke('fleet'),
    begin_fleet: (args) => invoke('begin_fleet', args),
    cancel_fleet: () => invoke('cancel_fleet'),
    doctor: (args) => invoke('doctor', args),
    offers: () => invoke('offers'),
    install: (args) => invoke('install', args),
    settings: () => invoke('settings'),
    change_settings: (args) => invoke('change_settings', args),
    search: (args) => invoke('search', args),
    pause: (args) => invoke('pause', args),
    resume: () => invoke('resume'),
    onEvent: events.add,
    onEngine: engine.add,
    onNavigate: navigation.add,
  };
}
