// A unified diff, line by line.

export type LineKind = 'file' | 'place' | 'added' | 'removed' | 'same';

export interface DiffLine {
  kind: LineKind;
  text: string;
}

/** More is not read by anybody; settings files have far fewer. */
export const LINES_MAX = 1000;

/** At most [`LINES_MAX`], and how many more there are. */
export function diffLines(diff: string): { lines: DiffLine[]; more: number } {
  const all = diff.replace(/\n$/, '').split('\n');
  let inside = false;
  const lines = all.slice(0, LINES_MAX).map((text) => {
    if (text.startsWith('@@')) inside = true;
    return { kind: kindOf(text, inside), text };
  });
  return { lines, more: Math.max(0, all.length - LINES_MAX) };
}

/** `---` and `+++` name files only before the first place: after it they are lines that were changed. */
function kindOf(text: string, inside: boolean): LineKind {
  if (!inside) return 'file';
  if (text.startsWith('@@')) return 'place';
  if (text.startsWith('+')) return 'added';
  return text.startsWith('-') ? 'removed' : 'same';
}
