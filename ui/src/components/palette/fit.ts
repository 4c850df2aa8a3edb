// How well a text fits what was written, letter by letter.

const BEGINS = 8;
const BEGINS_WORD = 5;
const WITHIN = 3;
const SCATTERED = 1;
/** Letters of a text over those that were written, beyond which scattered ones are there by chance. */
const SPREAD_MAX = 4;

/** 0 where a word of `wanted` is not in it at all; with nothing wanted all fit alike. */
export function fit(text: string, wanted: string): number {
  const plain = text.toLowerCase();
  const words = wanted.toLowerCase().split(/\s+/).filter((word) => word !== '');
  const scores = words.map((word) => fitOf(plain, word));
  return scores.includes(0) ? 0 : scores.reduce((sum, score) => sum + score, 1);
}

function fitOf(text: string, word: string): number {
  const at = text.indexOf(word);
  if (at === 0) return BEGINS;
  if (at > 0) return startsWord(text, word) ? BEGINS_WORD : WITHIN;
  return isScattered(text, word) ? SCATTERED : 0;
}

function startsWord(text: string, word: string): boolean {
  return text.split(/[^\p{L}\p{N}]+/u).some((each) => each.startsWith(word));
}

/** All letters are there in their order, the first at the beginning of a word, as `hmc` in `home, chats`. */
function isScattered(text: string, word: string): boolean {
  const [first = ''] = word;
  const starts = [...text].flatMap((letter, at) => (letter === first && !/[\p{L}\p{N}]/u.test(text[at - 1] ?? ' ') ? [at] : []));
  return starts.some((start) => {
    let at = start;
    for (const letter of word) {
      const found = text.indexOf(letter, at);
      if (found < 0) return false;
      at = found + 1;
    }
    return at - start <= word.length * SPREAD_MAX;
  });
}
