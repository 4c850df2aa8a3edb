// A tool's input as named pieces of text a person can read.

import { t } from '../../language';

export interface InputPart {
  name: string;
  value: string;
}

/** More of one value tells no more about what was running, and a file's whole text may stand in it. */
const VALUE_CHARS_MAX = 4000;

export function inputParts(input: unknown): InputPart[] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return [{ name: t('input'), value: shown(input) }];
  }
  return Object.entries(input).map(([name, value]) => ({ name: name.replaceAll('_', ' '), value: shown(value) }));
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? t('none'));
  if (text.length <= VALUE_CHARS_MAX) return text;
  return text.slice(0, VALUE_CHARS_MAX) + t('… ({n} characters in all)', { n: text.length });
}
