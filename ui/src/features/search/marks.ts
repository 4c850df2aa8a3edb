// Where the text that was looked for stands in an excerpt.

export interface Piece {
  text: string;
  marked: boolean;
}

/** The excerpt in pieces, in order. As the engine looks: the same letters whatever their case, one space for many. */
export function pieces(excerpt: string, wanted: string): Piece[] {
  const plain = wanted.trim().replace(/\s+/g, ' ');
  if (plain === '') return [{ text: excerpt, marked: false }];
  const pattern = new RegExp(`(${plain.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')})`, 'gi');
  return excerpt
    .split(pattern)
    .map((text, index) => ({ text, marked: index % 2 === 1 }))
    .filter(({ text }) => text !== '');
}
