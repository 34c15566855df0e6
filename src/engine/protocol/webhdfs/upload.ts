/** The body of one upload, whichever way it is read: from the request (`batches.ts`), or from its connection (`taken-body.ts`). */
import type { IncomingMessage } from "node:http";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import { mirrorBody } from "../../../runtime/node/request-connection.ts";
import type { BodyFraming } from "../../../wire/http/body-framing.ts";
import { ChunkedBody, SizedBody } from "../../../wire/http/body-framing.ts";
import { batches } from "./batches.ts";
import type { Exchange } from "./exchange.ts";
import { TakenBody } from "./taken-body.ts";

/** A body that is shorter is not worth its connection, which would be kept. */
const WORTH_BYTES = 1024 * 1024;
/** A mirror ends when so much has come and nobody has taken the connection: the body is refused, or is thrown away. */
const MIRRORED_MAX_BYTES = 4 * WORTH_BYTES;

export class Upload {
  private readonly exchange: Exchange;
  private readonly idleMs: number;
  /** Where the parser is in a body in chunks. */
  private mirrored: ChunkedBody | undefined;
  private endMirror: (() => void) | undefined;

  /** To be made while the server tells of the request. */
  constructor(exchange: Exchange, idleMs: number) {
    this.exchange = exchange;
    this.idleMs = idleMs;
    const { "transfer-encoding": coding = "" } = exchange.request.headers;
    if (coding.toLowerCase() === "chunked") this.mirror(exchange.request);
  }

  /**
   * All of it, after "100 Continue" if that was asked for. Throws PROTOCOL when it breaks off, or when nothing comes for too long.
   * May put another response in the place of the exchange's.
   */
  async *pieces(): AsyncGenerator<Uint8Array> {
    const { exchange, idleMs } = this;
    const { request } = exchange;
    const sized = sizeOf(request) - request.readableLength;
    const whole = sized >= WORTH_BYTES ? this.take(new SizedBody(sized), 0) : undefined;
    if (exchange.expectsContinue) exchange.response.writeContinue();
    if (whole !== undefined) return yield* whole.pieces();
    let before = 0;
    for await (const bytes of batches(request, idleMs, this.mirrored && WORTH_BYTES)) {
      before += bytes.length;
      yield bytes;
    }
    const { mirrored } = this;
    this.endMirror?.();
    const rest = mirrored?.isOver === false ? this.take(mirrored, before) : undefined;
    if (rest !== undefined) return yield* rest.pieces();
    for await (const bytes of batches(request, idleMs)) yield bytes;
    if (!request.complete) throw new QuorateError("PROTOCOL", "the body ended before its time");
  }

  private take(framing: BodyFraming, before: number): TakenBody | undefined {
    const { exchange, idleMs } = this;
    const taken = TakenBody.of(exchange.request, exchange.response, framing, before, idleMs);
    exchange.response = taken?.response ?? exchange.response;
    return taken;
  }

  private mirror(request: IncomingMessage): void {
    const body = new ChunkedBody();
    let bytes = 0;
    const take = (raw: Uint8Array): void => {
      bytes += raw.length;
      try {
        // A copy: it is decoded in place, and the parser has this one.
        body.take(Uint8Array.from(raw), 0, raw.length);
      } catch (error) {
        if (!isQuorateError(error)) throw error;
        // What the parser makes of it counts.
        return this.leave();
      }
      if (body.isOver || bytes > MIRRORED_MAX_BYTES) this.leave();
    };
    this.mirrored = body;
    this.endMirror = mirrorBody(request, take);
    if (this.endMirror === undefined) this.mirrored = undefined;
    else if (this.mirrored === undefined) this.endMirror();
    request.once("close", () => this.endMirror?.());
  }

  private leave(): void {
    this.mirrored = undefined;
    this.endMirror?.();
  }
}

function sizeOf({ headers }: IncomingMessage): number {
  return Number(headers["content-length"] ?? 0);
}
