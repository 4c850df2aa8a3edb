import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import { emit } from '@tauri-apps/api/event';
import { afterEach, expect, test } from 'vitest';
import { asApiError } from './host';
import { openTauriHost } from './tauri';

afterEach(clearMocks);

test('each call is the command of the same name with the same arguments', async () => {
  const calls: [string, unknown][] = [];
  mockIPC((command, args) => void calls.push([command, args]), { shouldMockEvents: true });
  const host = await openTauriHost();
  const request = { target: '12', checkpoint: null, headless: false, then: 'idle', dry_run: true } as const;

  await host.status();
  await host.chats();
  await host.chat({ target: 'a', limit: 7 });
  await host.timeline({ target: 'a', from: 200, limit: 100 });
  await host.export_chat({ target: 'a', checkpoint: null });
  await host.crashes();
  await host.crash_chart({ days: 30, offset_minutes: -120 });
  await host.signals_chart({ target: 'a', minutes: 60 });
  await host.signals({ target: 'a', minutes: 5 });
  await host.prediction();
  await host.experiments();
  await host.opportunities({ offset_minutes: 60 });
  await host.experiment_chart({ experiment: 7, arm: 1, offset_minutes: 60 });
  await host.about_experiment({ request: { do: 'stop', experiment: 7 } });
  await host.audit({ all: false, before: 40, limit: 20, replay: false });
  await host.fingerprints({ offset_minutes: 60 });
  await host.checkpoints({ target: 'a' });
  await host.take_checkpoint({ target: 'a', note: null, point: null });
  await host.restore({ request });
  await host.doctor({ verify: true });
  await host.search({ text: 'x' });
  await host.pause({ seconds: 60 });
  await host.resume();

  expect(calls).toEqual([
    ['status', {}],
    ['chats', {}],
    ['chat', { target: 'a', limit: 7 }],
    ['timeline', { target: 'a', from: 200, limit: 100 }],
    ['export_chat', { target: 'a', checkpoint: null }],
    ['crashes', {}],
    ['crash_chart', { days: 30, offsetMinutes: -120 }],
    ['signals_chart', { target: 'a', minutes: 60 }],
    ['signals', { target: 'a', minutes: 5 }],
    ['prediction', {}],
    ['experiments', {}],
    ['opportunities', { offsetMinutes: 60 }],
    ['experiment_chart', { experiment: 7, arm: 1, offsetMinutes: 60 }],
    ['about_experiment', { request: { do: 'stop', experiment: 7 } }],
    ['audit', { all: false, before: 40, limit: 20, replay: false }],
    ['fingerprints', { offsetMinutes: 60 }],
    ['checkpoints', { target: 'a' }],
    ['take_checkpoint', { target: 'a', note: null, point: null }],
    ['restore', { request }],
    ['doctor', { verify: true }],
    ['search', { text: 'x' }],
    ['pause', { seconds: 60 }],
    ['resume', {}],
  ]);
});

test('events reach their listeners until those stop listening', async () => {
  mockIPC(() => {}, { shouldMockEvents: true });
  const host = await openTauriHost();
  const heard: unknown[] = [];
  const stop = host.onEvent((event) => heard.push(event));
  host.onEngine((up) => heard.push(up));
  host.onNavigate((route) => heard.push(route));

  await emit('shim', { event: 'missed' });
  await emit('engine', { up: false });
  await emit('navigate', '/crashes/12');
  stop();
  await emit('shim', { event: 'status_changed' });

  expect(heard).toEqual([{ event: 'missed' }, false, '/crashes/12']);
});

test('every rejection becomes an ApiError', () => {
  const error = { code: 'not_found', message: 'no such chat', details: { id: 1 } };
  expect(asApiError(error)).toBe(error);
  expect(asApiError('command chats not found')).toEqual({ code: 'internal', message: 'command chats not found', details: null });
  expect(asApiError(new Error('broken')).message).toBe('broken');
  expect(asApiError(null).message).toBe('null');
});
