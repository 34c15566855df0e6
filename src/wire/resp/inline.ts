/**
 * Inline commands: a line of words, as a person types it into a terminal.
 *
 * Words are separated by white space. "Double quotes" know \xHH, \n \r \t \b \a and \<any>; 'single quotes' know only
 * \'. A closing quote must be followed by white space or the end (Redis, `sdssplitargs`).
 */
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

const HEX_BYTE = /^[0-9a-fA-F]{2}$/;

function isSpace(character: string | undefined): boolean {
  return character === " " || (character !== undefined && character >= "\t" && character <= "\r");
}

/** The words of a line; undefined when its quotes are not balanced. */
export function splitInline(line: string): string[] | undefined {
  const nul = line.indexOf("\0");
  const text = nul < 0 ? line : line.slice(0, nul);
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(text[at])) at += 1;
    if (at >= text.length) return words;
    let word = "";
    while (at < text.length && !isSpace(text[at])) {
      const character = text[at] as string;
      if (character !== '"' && character !== "'") {
        word += character;
        at += 1;
        continue;
      }
      const quoted = character === '"' ? readDouble(text, at + 1) : readSingle(text, at + 1);
      if (quoted === undefined) return undefined;
      word += quoted.word;
      at = quoted.next;
      // The quote closes the word: only white space may follow.
      if (at < text.length && !isSpace(text[at])) return undefined;
    }
    words.push(word);
  }
}

interface Quoted {
  readonly word: string;
  /** The position behind the closing quote. */
  readonly next: number;
}

function readDouble(text: string, from: number): Quoted | undefined {
  let word = "";
  for (let at = from; at < text.length; at += 1) {
    const character = text[at] as string;
    if (character === '"') return { word, next: at + 1 };
    if (character !== "\\" || at + 1 >= text.length) {
      word += character;
      continue;
    }
    const escape = text[at + 1] as string;
    const hex = text.slice(at + 2, at + 4);
    if (escape === "x" && HEX_BYTE.test(hex)) {
      word += String.fromCharCode(parseInt(hex, 16));
      at += 3;
    } else {
      word += ESCAPES[escape] ?? escape;
      at += 1;
    }
  }
  return undefined;
}

function readSingle(text: string, from: number): Quoted | undefined {
  let word = "";
  for (let at = from; at < text.length; at += 1) {
    const character = text[at] as string;
    if (character === "'") return { word, next: at + 1 };
    if (character === "\\" && text[at + 1] === "'") {
      word += "'";
      at += 1;
    } else {
      word += character;
    }
  }
  return undefined;
}
