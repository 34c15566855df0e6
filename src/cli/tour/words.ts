/** What a word is: the index, the plain count and the jobs of the tour agree on it. */

const WORD_MAX_CHARACTERS = 40;

/** Letters and digits in a row, in lower case; single characters and what is too long to be a word are left out. */
export function* wordsOf(text: string): Generator<string> {
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    if (word.length > 1 && word.length <= WORD_MAX_CHARACTERS) yield word;
  }
}
