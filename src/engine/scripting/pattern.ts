/**
 * Lua patterns (Lua 5.1 reference manual, section 5.4.1), matched over bytes of linear memory.
 *
 * Lua's own matcher recurses on the C stack and may backtrack without bound, unseen by the instruction count; this one
 * counts its steps and its depth, so that a pattern cannot stall a replica or overflow a stack whose size differs
 * between machines.
 */

export interface MatchHost {
  readonly bytes: Uint8Array;
  /** Raises a Lua error. */
  fail(message: string): never;
  /** Work done; may throw. */
  charge(steps: number): void;
}

const MAX_CAPTURES = 32;
/** Quantifiers and captures that a match may nest, as in Lua 5.2: far below what any machine's stack holds. */
const MAX_DEPTH = 200;
export const CAPTURE_POSITION = -2;
const CAPTURE_OPEN = -1;
/** Steps of matching between two charges. */
const CHARGE_EVERY = 256;

const PERCENT = 0x25;
const OPEN_PAREN = 0x28;
const CLOSE_PAREN = 0x29;
const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const QUESTION = 0x3f;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const CARET = 0x5e;
const DOLLAR = 0x24;
const LOWER_B = 0x62;
const LOWER_F = 0x66;

/** A match of one pattern in one subject; both stay where they are in memory. */
export class Matcher {
  readonly subject: number;
  readonly subjectEnd: number;
  level = 0;
  readonly captureStart: Int32Array = new Int32Array(MAX_CAPTURES);
  readonly captureLength: Int32Array = new Int32Array(MAX_CAPTURES);
  private readonly host: MatchHost;
  private readonly bytes: Uint8Array;
  private readonly patternEnd: number;
  private depth = 0;
  private steps = 0;

  constructor(
    host: MatchHost,
    subject: number,
    subjectLength: number,
    pattern: number,
    patternLength: number,
  ) {
    this.host = host;
    this.bytes = host.bytes;
    this.subject = subject;
    this.subjectEnd = subject + subjectLength;
    this.patternEnd = pattern + patternLength;
  }

  /** The end of the match of the pattern at `p` that starts at `s`, or -1. */
  start(s: number, p: number): number {
    this.level = 0;
    this.depth = 0;
    const end = this.match(s, p);
    this.settle();
    return end;
  }

  private settle(): void {
    if (this.steps > 0) this.host.charge(this.steps);
    this.steps = 0;
  }

  private step(): void {
    if (++this.steps >= CHARGE_EVERY) this.settle();
  }

  private match(start: number, pattern: number): number {
    if (++this.depth > MAX_DEPTH) this.host.fail("pattern too complex");
    const end = this.matchHere(start, pattern);
    this.depth--;
    return end;
  }

  private matchHere(start: number, pattern: number): number {
    const { bytes, patternEnd, subjectEnd } = this;
    let s = start;
    let p = pattern;
    for (;;) {
      this.step();
      if (p === patternEnd) return s;
      const char = bytes[p]!;
      if (char === OPEN_PAREN) {
        if (p + 1 < patternEnd && bytes[p + 1] === CLOSE_PAREN)
          return this.startCapture(s, p + 2, CAPTURE_POSITION);
        return this.startCapture(s, p + 1, CAPTURE_OPEN);
      }
      if (char === CLOSE_PAREN) return this.endCapture(s, p + 1);
      if (char === DOLLAR && p + 1 === patternEnd) return s === subjectEnd ? s : -1;
      if (char === PERCENT && p + 1 < patternEnd) {
        const special = bytes[p + 1]!;
        if (special === LOWER_B) {
          s = this.matchBalance(s, p + 2);
          if (s === -1) return -1;
          p += 4;
          continue;
        }
        if (special === LOWER_F) {
          p += 2;
          if (p >= patternEnd || bytes[p] !== OPEN_BRACKET) {
            this.host.fail("missing '[' after '%f' in pattern");
          }
          const setEnd = this.classEnd(p);
          const previous = s === this.subject ? 0 : bytes[s - 1]!;
          const current = s === subjectEnd ? 0 : bytes[s]!;
          if (this.matchSet(previous, p, setEnd - 1) || !this.matchSet(current, p, setEnd - 1)) return -1;
          p = setEnd;
          continue;
        }
        if (special >= ZERO && special <= NINE) {
          s = this.matchBackReference(s, special);
          if (s === -1) return -1;
          p += 2;
          continue;
        }
      }
      const next = this.classEnd(p);
      const matches = s < subjectEnd && this.matchSingle(bytes[s]!, p, next);
      const quantifier = next < patternEnd ? bytes[next] : 0;
      switch (quantifier) {
        case QUESTION: {
          if (matches) {
            const end = this.match(s + 1, next + 1);
            if (end !== -1) return end;
          }
          p = next + 1;
          continue;
        }
        case STAR:
          return this.maxExpand(s, p, next);
        case PLUS:
          return matches ? this.maxExpand(s + 1, p, next) : -1;
        case MINUS:
          return this.minExpand(s, p, next);
        default:
          if (!matches) return -1;
          s++;
          p = next;
      }
    }
  }

  private maxExpand(s: number, p: number, next: number): number {
    let count = 0;
    while (s + count < this.subjectEnd && this.matchSingle(this.bytes[s + count]!, p, next)) {
      count++;
      this.step();
    }
    for (; count >= 0; count--) {
      const end = this.match(s + count, next + 1);
      if (end !== -1) return end;
    }
    return -1;
  }

  private minExpand(start: number, p: number, next: number): number {
    for (let s = start; ; s++) {
      const end = this.match(s, next + 1);
      if (end !== -1) return end;
      if (s >= this.subjectEnd || !this.matchSingle(this.bytes[s]!, p, next)) return -1;
    }
  }

  private startCapture(s: number, p: number, kind: number): number {
    if (this.level >= MAX_CAPTURES) this.host.fail("too many captures");
    this.captureStart[this.level] = s;
    this.captureLength[this.level] = kind;
    this.level++;
    const end = this.match(s, p);
    if (end === -1) this.level--;
    return end;
  }

  private endCapture(s: number, p: number): number {
    const open = this.openCapture();
    this.captureLength[open] = s - this.captureStart[open]!;
    const end = this.match(s, p);
    if (end === -1) this.captureLength[open] = CAPTURE_OPEN;
    return end;
  }

  private openCapture(): number {
    for (let level = this.level - 1; level >= 0; level--) {
      if (this.captureLength[level] === CAPTURE_OPEN) return level;
    }
    return this.host.fail("invalid pattern capture");
  }

  private matchBackReference(s: number, digit: number): number {
    const index = digit - ZERO - 1;
    if (index < 0 || index >= this.level || this.captureLength[index] === CAPTURE_OPEN) {
      this.host.fail("invalid capture index");
    }
    // A position capture has no text; as a length its mark is larger than any subject.
    const length = this.captureLength[index]! >>> 0;
    if (this.subjectEnd - s < length) return -1;
    const from = this.captureStart[index]!;
    for (let i = 0; i < length; i++) {
      this.step();
      if (this.bytes[from + i] !== this.bytes[s + i]) return -1;
    }
    return s + length;
  }

  private matchBalance(start: number, p: number): number {
    if (p + 1 >= this.patternEnd) this.host.fail("unbalanced pattern");
    const { bytes, subjectEnd } = this;
    if (start >= subjectEnd || bytes[start] !== bytes[p]) return -1;
    const open = bytes[p];
    const close = bytes[p + 1];
    let nesting = 1;
    for (let s = start + 1; s < subjectEnd; s++) {
      this.step();
      if (bytes[s] === close) {
        if (--nesting === 0) return s + 1;
      } else if (bytes[s] === open) nesting++;
    }
    return -1;
  }

  private classEnd(pattern: number): number {
    const { bytes, patternEnd } = this;
    let p = pattern;
    const char = bytes[p++];
    if (char === PERCENT) {
      if (p >= patternEnd) this.host.fail("malformed pattern (ends with '%')");
      return p + 1;
    }
    if (char !== OPEN_BRACKET) return p;
    if (bytes[p] === CARET && p < patternEnd) p++;
    do {
      if (p >= patternEnd) this.host.fail("malformed pattern (missing ']')");
      if (bytes[p++] === PERCENT && p < patternEnd) p++;
    } while (p >= patternEnd || bytes[p] !== CLOSE_BRACKET);
    return p + 1;
  }

  private matchSingle(char: number, p: number, next: number): boolean {
    switch (this.bytes[p]) {
      case DOT:
        return true;
      case PERCENT:
        return matchClass(char, this.bytes[p + 1]!);
      case OPEN_BRACKET:
        return this.matchSet(char, p, next - 1);
      default:
        return this.bytes[p] === char;
    }
  }

  /** `p` at the opening bracket, `end` at the closing one. */
  private matchSet(char: number, open: number, end: number): boolean {
    const { bytes } = this;
    let p = open;
    let found = true;
    if (bytes[p + 1] === CARET) {
      found = false;
      p++;
    }
    while (++p < end) {
      this.step();
      if (bytes[p] === PERCENT) {
        p++;
        if (matchClass(char, bytes[p]!)) return found;
      } else if (bytes[p + 1] === MINUS && p + 2 < end) {
        p += 2;
        if (bytes[p - 2]! <= char && char <= bytes[p]!) return found;
      } else if (bytes[p] === char) return found;
    }
    return !found;
  }
}

/** The character classes of the C locale; an upper-case letter is the complement. */
function matchClass(char: number, letter: number): boolean {
  const lower = letter | 0x20;
  let inside: boolean;
  switch (lower) {
    case 0x61: // a
      inside = isAlpha(char);
      break;
    case 0x63: // c
      inside = char < 32 || char === 127;
      break;
    case 0x64: // d
      inside = isDigit(char);
      break;
    case 0x6c: // l
      inside = char >= 97 && char <= 122;
      break;
    case 0x70: // p
      inside = char > 32 && char < 127 && !isAlpha(char) && !isDigit(char);
      break;
    case 0x73: // s
      inside = char === 32 || (char >= 9 && char <= 13);
      break;
    case 0x75: // u
      inside = char >= 65 && char <= 90;
      break;
    case 0x77: // w
      inside = isAlpha(char) || isDigit(char);
      break;
    case 0x78: // x
      inside = isDigit(char) || ((char | 0x20) >= 97 && (char | 0x20) <= 102);
      break;
    case 0x7a: // z
      inside = char === 0;
      break;
    default:
      return letter === char;
  }
  if (letter < 65 || (letter > 90 && letter < 97) || letter > 122) return letter === char;
  return letter <= 90 ? !inside : inside;
}

function isAlpha(char: number): boolean {
  const lower = char | 0x20;
  return lower >= 97 && lower <= 122;
}

function isDigit(char: number): boolean {
  return char >= 48 && char <= 57;
}

/** The address of the first occurrence of a plain text, or -1. */
export function findPlain(
  host: MatchHost,
  subject: number,
  subjectEnd: number,
  text: number,
  length: number,
): number {
  const { bytes } = host;
  if (length === 0) return subject;
  const searched = bytes.subarray(subject, Math.max(subject, subjectEnd));
  const first = bytes[text]!;
  let counted = 0;
  for (let at = searched.indexOf(first); at !== -1 && at + length <= searched.length;) {
    let matching = 1;
    while (matching < length && searched[at + matching] === bytes[text + matching]) matching++;
    host.charge(((at - counted) >> 4) + (matching >> 2));
    counted = at;
    if (matching === length) return subject + at;
    at = searched.indexOf(first, at + 1);
  }
  host.charge((searched.length - counted) >> 4);
  return -1;
}
