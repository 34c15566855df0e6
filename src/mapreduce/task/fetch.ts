/** One map output's partition over HTTP: its bytes, whole, in memory or in a file, or an error. */
import { Agent, get } from "node:http";
import type { IncomingMessage } from "node:http";

/** Silence after which a fetch is given up, milliseconds. */
const IDLE_MS = 30_000;
const ERROR_BODY_MAX_BYTES = 4096;

/** Where fetched bytes go. */
export interface FetchTarget {
  /** Called once, with how many bytes will come. */
  begin(length: number): void;
  /** The next bytes. A promise is waited for before more is read. */
  take(bytes: Buffer): void | Promise<void>;
}

/** The other side answered that it has no such output: asking again is of no use. */
export class OutputGone extends Error {
  override readonly name = "OutputGone";
}

export class Fetcher {
  private readonly agent: Agent;

  /** `most`: connections at a time. */
  constructor(most: number) {
    this.agent = new Agent({ keepAlive: true, maxSockets: most });
  }

  /** Resolves when all announced bytes were taken. Rejects with OutputGone, or what was wrong. */
  async fetch(url: string, authorization: string, target: FetchTarget): Promise<void> {
    const answer = await this.ask(url, authorization);
    try {
      const { statusCode = 0, headers } = answer;
      if (statusCode !== 200) throw await refusal(statusCode, answer);
      const announced = headers["content-length"];
      if (announced === undefined || !/^\d+$/.test(announced))
        throw new Error("the answer does not tell its length");
      const length = Number(announced);
      target.begin(length);
      let taken = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        taken += chunk.length;
        if (taken > length) break;
        const waits = target.take(chunk);
        if (waits !== undefined) await waits;
      }
      if (taken !== length) throw new Error(`${taken} bytes came of ${length}`);
    } finally {
      answer.destroy();
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private ask(url: string, authorization: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = authorization === "" ? {} : { authorization };
      const request = get(url, { agent: this.agent, headers, timeout: IDLE_MS }, resolve);
      request.on("timeout", () => request.destroy(new Error(`nothing came for ${IDLE_MS} ms`)));
      request.on("error", reject);
    });
  }
}

async function refusal(status: number, answer: IncomingMessage): Promise<Error> {
  let text = "";
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    text += chunk.toString("utf8");
    if (text.length > ERROR_BODY_MAX_BYTES) break;
  }
  const message = `it was answered with ${status}: ${text.slice(0, 500)}`;
  return status === 404 || status === 410 ? new OutputGone(message) : new Error(message);
}
