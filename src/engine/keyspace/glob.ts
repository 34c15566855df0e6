/** Patterns as Redis's stringmatch (util.c, 7.0) takes them: `*`, `?`, `[a-c]`, `[^x]` and `\` before any character. */

/** How deep stars may nest before the answer is "no match": the bound that keeps a hostile pattern from blocking. */
const MAX_STARS = 1000;

interface Search {
  readonly pattern: string;
  readonly text: string;
  readonly ignoreCase: boolean;
  /** Once a shorter tail failed to match, no longer one can: cuts the exponential search of nested stars. */
  skipLonger: boolean;
}

/** True when the whole of `text` matches. Never throws; cost bounded for any pattern. */
export function matchesGlob(pattern: string, text: string, ignoreCase = false): boolean {
  const folded = ignoreCase ? pattern.toLowerCase() : pattern;
  const search: Search = {
    pattern: folded,
    text: ignoreCase ? text.toLowerCase() : text,
    ignoreCase,
    skipLonger: false,
  };
  return matchFrom(search, 0, 0, 0);
}

function matchFrom(search: Search, patternStart: number, textStart: number, depth: number): boolean {
  if (depth > MAX_STARS) return false;
  const { pattern, text } = search;
  let p = patternStart;
  let t = textStart;
  while (p < pattern.length && t < text.length) {
    const symbol = pattern[p]!;
    if (symbol === "*") {
      while (pattern[p + 1] === "*") p++;
      if (p + 1 === pattern.length) return true;
      return matchStar(search, p + 1, t, depth);
    }
    if (symbol === "[") {
      const set = matchSet(pattern, p + 1, text.charCodeAt(t));
      if (!set.matches) return false;
      p = set.end;
    } else {
      if (symbol === "\\" && p + 1 < pattern.length) p++;
      if ((symbol !== "?" || pattern[p] !== "?") && pattern[p] !== text[t]) return false;
    }
    p++;
    t++;
    // Only after something matched: as in Redis, an empty key matches no star but the lone one of KEYS and SCAN.
    if (t === text.length) while (pattern[p] === "*") p++;
  }
  return p >= pattern.length && t === text.length;
}

function matchStar(search: Search, patternRest: number, textStart: number, depth: number): boolean {
  for (let t = textStart; t < search.text.length; t++) {
    if (matchFrom(search, patternRest, t, depth + 1)) return true;
    if (search.skipLonger) return false;
  }
  // No tail of the text matched the rest of the pattern, so no star further out can help by taking fewer characters.
  search.skipLonger = true;
  return false;
}

/** Whether the set that opens before `start` holds a character, and the index of its last symbol. */
function matchSet(pattern: string, start: number, code: number): { matches: boolean; end: number } {
  let p = start;
  const negated = pattern[p] === "^";
  if (negated) p++;
  let matches = false;
  for (; ; p++) {
    if (pattern[p] === "\\" && p + 1 < pattern.length) {
      p++;
      if (pattern.charCodeAt(p) === code) matches = true;
    } else if (pattern[p] === "]") break;
    else if (p >= pattern.length) {
      p--;
      break;
    } else if (pattern[p + 1] === "-" && p + 2 < pattern.length) {
      const low = Math.min(pattern.charCodeAt(p), pattern.charCodeAt(p + 2));
      const high = Math.max(pattern.charCodeAt(p), pattern.charCodeAt(p + 2));
      p += 2;
      if (code >= low && code <= high) matches = true;
    } else if (pattern.charCodeAt(p) === code) matches = true;
  }
  return { matches: matches !== negated, end: p };
}
