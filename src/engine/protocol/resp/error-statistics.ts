/** How many errors were answered, by the word that they begin with: what INFO shows as errorstat_. */
import type { ReplyError } from "../../keyspace/reply.ts";

/** Words that are counted apart: a script can make up any. */
const PREFIXES_MAX = 128;
/** A longer first word is none, as in Redis. */
const PREFIX_MAX = 30;
/** Those of words that came when there were so many already. */
const OVERFLOW = "ERRORSTATS_OVERFLOW";

export class ErrorStatistics {
  private readonly byPrefix = new Map<string, number>();
  private sum = 0;

  get total(): number {
    return this.sum;
  }

  count({ message }: ReplyError): void {
    this.sum += 1;
    const end = message.indexOf(" ");
    const word = end < 0 || end > PREFIX_MAX ? "ERR" : message.slice(0, end);
    const known = this.byPrefix.has(word) || this.byPrefix.size < PREFIXES_MAX;
    const prefix = known ? word : OVERFLOW;
    this.byPrefix.set(prefix, (this.byPrefix.get(prefix) ?? 0) + 1);
  }

  /** In the order of the alphabet; what would break a line of INFO is shown as "_". */
  prefixes(): readonly (readonly [prefix: string, count: number])[] {
    const shown = [...this.byPrefix].map(
      ([word, count]) => [word.replaceAll(/[#:\r\n]/g, "_"), count] as const,
    );
    return shown.toSorted(([left], [right]) => (left < right ? -1 : 1));
  }

  reset(): void {
    this.byPrefix.clear();
    this.sum = 0;
  }
}
