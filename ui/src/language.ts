// What the pages say, in the reader's language: the English of the source, or its translation. It is chosen once,
// before the pages are drawn; a change of it loads them anew.

import { GERMAN } from './german/german';

export type Language = 'en' | 'de';

let language: Language = 'en';

/** To be called before anything is drawn. */
export function speak(wanted: Language): void {
  language = wanted;
}

export function spoken(): Language {
  return language;
}

/** `text` in the reader's language, with `{name}` filled in from `values`. What has no translation stays English. */
export function t(text: string, values: Record<string, string | number> = {}): string {
  const said = language === 'de' ? (GERMAN[text] ?? text) : text;
  return said.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
