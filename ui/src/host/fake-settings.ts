// A recorded config.toml of the fake host: a few keys of every kind.

import type { Setting, SettingsChange, SettingsView } from '../bindings/api';
import type { Takes, Value } from '../bindings/core';

function setting(name: string, about: string, takes: Takes, preset: Value, value: Value | null = null): Setting {
  return { name, about, takes, default: preset, value, waits_for_start: false };
}

export function settings(): SettingsView {
  return {
    path: '/home/u/.local/share/shim/config.toml',
    text: '[policy]\nauto_restore = "once"\n\n[desktop]\nwelcomed = true\n',
    keys: [
      setting('desktop.theme', 'The window\'s colours: "system", "light" or "dark".', { kind: 'one_of', choices: ['system', 'light', 'dark'] }, 'system'),
      setting(
        'desktop.language',
        'What window, tray and notifications speak: "system", "en" or "de".',
        { kind: 'one_of', choices: ['system', 'en', 'de'] },
        'system',
      ),
      setting('desktop.autostart', 'The tray starts when you log in.', { kind: 'switch' }, false),
      setting('desktop.welcomed', 'The window no longer opens with its welcome.', { kind: 'switch' }, false, true),
      setting('api.port', 'Port of the loopback listener; another free one is taken when it is in use.', { kind: 'whole', min: 1024, max: 65_535 }, 47_615),
      setting('watch.within', 'Watch only what lies below one of these folders; [] means anywhere.', { kind: 'texts' }, []),
      setting('watch.discover', 'Find further homes from the environment of running clients of yours.', { kind: 'switch' }, true),
      setting(
        'policy.auto_restore',
        'Restore a chat that died or hangs without being asked: "off", or "once"; a second crash soon after asks.',
        { kind: 'one_of', choices: ['off', 'once'] },
        'off',
        'once',
      ),
      setting('experiments.auto', 'Try ideas found in this machine\'s history without being asked.', { kind: 'switch' }, true),
      setting('policy.delay_seconds', 'From a death to its automatic restore, 0 to 600 s.', { kind: 'whole', min: 0, max: 600 }, 3),
      setting('clients.codex.command', 'The program to start for Codex. Empty: the one that died, else the one on PATH.', { kind: 'text' }, ''),
    ],
    wrong: [],
  };
}

/** As the engine does: everything or nothing, and bounds are kept. */
export function changeSettings(view: SettingsView, change: SettingsChange): SettingsView {
  for (const [name, value] of Object.entries(change.changes)) {
    const { takes } = known(view, name);
    const isOutside = takes.kind === 'whole' && typeof value === 'number' && (value < takes.min || value > takes.max);
    if (isOutside) throw refused(name, `must be a whole number from ${takes.min} to ${takes.max}`);
  }
  for (const [name, value] of Object.entries(change.changes)) {
    const changed = known(view, name);
    changed.value = value ?? null;
    changed.waits_for_start = name === 'api.port' && value !== null;
  }
  if (change.text !== null) view.text = change.text;
  return view;
}

function known(view: SettingsView, name: string): Setting {
  const found = view.keys.find((key) => key.name === name);
  if (!found) throw refused(name, 'there is no such key');
  return found;
}

function refused(key: string, message: string): unknown {
  return { code: 'bad_request', message: `nothing was changed: ${key}: ${message}`, details: [{ line: 2, key, message }] };
}
