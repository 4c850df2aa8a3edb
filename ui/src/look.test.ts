import { beforeEach, expect, test, vi } from 'vitest';
import type { SettingsView } from './bindings/api';
import { settings } from './host/fake-settings';
import { firstLook, lookOf, WAIT_MS, wear } from './look';

function having(theme: string, language: string): SettingsView {
  const view = settings();
  for (const key of view.keys) {
    if (key.name === 'desktop.theme') key.value = theme;
    if (key.name === 'desktop.language') key.value = language;
  }
  return view;
}

beforeEach(() => sessionStorage.clear());

test('the look is as the settings say, and where they leave it to the system as that does', () => {
  const rows = [
    ['system', 'system', 'en-GB', 'system', 'en'],
    ['system', 'system', 'de-AT', 'system', 'de'],
    ['dark', 'de', 'en', 'dark', 'de'],
    ['light', 'en', 'de', 'light', 'en'],
    ['moon', 'fr', 'fr', 'system', 'en'],
    ['system', 'system', 'den', 'system', 'en'],
  ] as const;
  for (const [theme, language, system, worn, spoken] of rows) {
    expect(lookOf(having(theme, language), system), system).toEqual({ theme: worn, language: spoken });
  }
  expect(lookOf({ ...settings(), keys: [] }, 'de')).toEqual({ theme: 'system', language: 'de' });
});

test('an engine that answers late or not at all holds nothing up', async () => {
  vi.useFakeTimers();
  const never = firstLook(new Promise(() => {}), 'de');
  await vi.advanceTimersByTimeAsync(WAIT_MS);
  expect(await never).toEqual({ theme: 'system', language: 'de' });
  expect(await firstLook(Promise.reject(new Error('down')), 'en')).toEqual({ theme: 'system', language: 'en' });
  vi.useRealTimers();
});

test('what was spoken last is spoken on where the settings come late', async () => {
  wear({ theme: 'dark', language: 'de' });
  expect(document.documentElement.lang).toBe('de');
  expect(document.documentElement.dataset['theme']).toBe('dark');
  expect(await firstLook(Promise.reject(new Error('down')), 'en')).toEqual({ theme: 'system', language: 'de' });
  wear({ theme: 'system', language: 'en' });
  expect(document.documentElement.hasAttribute('data-theme')).toBe(false);
});
