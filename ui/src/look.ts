// What the window looks like and speaks, as the settings say: put on before anything is drawn, and when they change.

import type { SettingsView } from './bindings/api';
import type { Value } from './bindings/core';
import type { Language } from './language';

export type Theme = 'system' | 'light' | 'dark';

export interface Look {
  theme: Theme;
  language: Language;
}

/** Milliseconds that the first drawing waits for the settings. */
export const WAIT_MS = 300;
/** What was spoken last: said on where the settings come late, so that a late answer loads the pages anew once at most. */
const SPOKEN = 'shim.spoken';

/** `system` is the language of the system, such as `de-AT`. What is not known is as the system's. */
export function lookOf(view: SettingsView, system: string): Look {
  const theme = valueOf(view, 'desktop.theme');
  const language = valueOf(view, 'desktop.language');
  return {
    theme: theme === 'light' || theme === 'dark' ? theme : 'system',
    language: language === 'en' || language === 'de' ? language : languageOf(system),
  };
}

/** What a key is set to; undefined where the engine knows no such key. */
export function valueOf(view: SettingsView, name: string): Value | undefined {
  const setting = view.keys.find((key) => key.name === name);
  return setting && (setting.value ?? setting.default);
}

/** The look for the first drawing. An engine that does not answer in time holds nothing up. */
export async function firstLook(settings: Promise<SettingsView>, system: string): Promise<Look> {
  const late = new Promise<undefined>((done) => setTimeout(done, WAIT_MS));
  const view = await Promise.race([settings.catch(() => undefined), late]);
  if (view) return lookOf(view, system);
  const spoken = sessionStorage.getItem(SPOKEN);
  return { theme: 'system', language: spoken === 'en' || spoken === 'de' ? spoken : languageOf(system) };
}

export function wear({ theme, language }: Look): void {
  const root = document.documentElement;
  root.lang = language;
  if (theme === 'system') delete root.dataset['theme'];
  else root.dataset['theme'] = theme;
  sessionStorage.setItem(SPOKEN, language);
}

function languageOf(system: string): Language {
  return /^de\b/i.test(system) ? 'de' : 'en';
}
