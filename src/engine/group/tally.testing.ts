/**
 * The smallest state machine that a test can hold to account: it counts tokens. Each is given once in a whole run, so a token
 * that is counted twice, or out of turn, was applied twice, or in another order than elsewhere.
 */
import { crc32 } from "node:zlib";
import type { Bytes } from "../../runtime/bytes.ts";
import { bytesFromUtf8 } from "../../runtime/bytes.ts";
import type { SnapshotCut, StateMachine } from "./state-machine.ts";

export interface Tally extends StateMachine<string, number> {
  /** In the order in which they were counted. */
  readonly tokens: readonly string[];
}

/** Its reply to a token is how many there are with it. */
export function createTally(): Tally {
  let tokens: string[] = [];
  let digest = 0;
  const count = (token: string): number => {
    digest = crc32(token, digest);
    return tokens.push(token);
  };
  return {
    get tokens() {
      return tokens;
    },
    decode: (bytes) => bytes.toString("utf8"),
    apply: (token) => count(token),
    snapshot(): SnapshotCut {
      let left = [...tokens];
      return {
        next(maxBytes): Bytes | undefined {
          if (left.length === 0) return undefined;
          const chunk = left.splice(0, Math.max(1, Math.floor(maxBytes / 64)));
          return bytesFromUtf8(JSON.stringify(chunk));
        },
        close: () => void (left = []),
      };
    },
    restore(chunks) {
      tokens = [];
      digest = 0;
      for (const chunk of chunks)
        for (const token of JSON.parse(chunk.toString("utf8")) as string[]) count(token);
    },
    digest: () => digest,
    upkeep: () => undefined,
  };
}

export const encodeToken = (token: string): Bytes => bytesFromUtf8(token);
