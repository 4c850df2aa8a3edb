// What the doctor says, as a person reads it: sizes in short, and commands apart from the text around them.

import { bytes } from '../format';

export interface Part {
  text: string;
  command: boolean;
}

/** What stands between backticks is a command. */
export function parts(advice: string): Part[] {
  return sentence(advice)
    .split(/`([^`]+)`/)
    .map((text, index) => ({ text, command: index % 2 === 1 }))
    .filter(({ text }) => text !== '');
}

/** `126000000 bytes` as `126 MB`. */
export function sized(text: string): string {
  return text.replace(/\b(\d{4,}) bytes\b/g, (_, n: string) => bytes(Number(n)));
}

/** With a capital, where it begins with a word. */
export function sentence(text: string): string {
  const short = sized(text);
  return /^[a-z]+[ ,]/.test(short) ? short.charAt(0).toUpperCase() + short.slice(1) : short;
}
