/** One TCP connection between two nodes: greeting, frames in, gathered frames out, signs of life. */
import type { Socket } from "node:net";
import { isQuorateError } from "../errors.ts";
import type { Clock, Timer } from "../world.ts";
import { framed, FrameReader } from "./peer-frame.ts";
import type { Hello, Refusal } from "./peer-hello.ts";
import { HELLO_MAX_BYTES, PREAMBLE, decodeHello, encodeHello } from "./peer-hello.ts";
import type { SocketReads } from "./socket-reads.ts";

/** How long a connection may take to be opened and greeted. */
const GREETING_TIMEOUT_MS = 2000;
/** A sign of life is sent when nothing else was for so long; after this many silent intervals the link is given up. */
const LIFE_INTERVAL_MS = 1000;
const SILENT_INTERVALS_MAX = 5;
/** How long what is still queued may take to leave when a link is closed politely. */
const LINGER_MS = 250;
/** Pieces smaller than this are joined before they are written: a copy is cheaper than an entry of the gather list. */
const GATHER_BYTES = 16 * 1024;

/** While a frame is arriving, its receiver says so this often: to its own node, and to the sender, who waits for answers. */
const ARRIVING_INTERVAL_MS = 25;

const LIFE_SIGN: readonly Uint8Array[] = framed([]);

export interface LinkOwner {
  readonly clock: Clock;
  readonly secret: string | undefined;
  readonly frameMaxBytes: number;
  /** A connection exists; `gone` follows when its socket is closed for good. */
  opened(): void;
  gone(): void;
  greeted(link: PeerLink, message: Hello | Refusal, proven: boolean): void;
  received(link: PeerLink, frame: Buffer): void;
  /** Bytes came that do not make a whole frame yet, or a sign of life. */
  arriving(link: PeerLink): void;
  /** Told once, in the turn in which the connection ended. `fault`: the other side sent what no peer sends. */
  ended(link: PeerLink, reason: string, fault: boolean): void;
}

export class PeerLink {
  readonly dialled: boolean;
  /** What the other side said about itself, once it was accepted. */
  peer: Hello | undefined;
  upSinceMs = 0;
  helloSent = false;
  private readonly socket: Socket;
  private owner: LinkOwner;
  private readonly reader: FrameReader;
  private ended = false;
  private timer: Timer;
  private pieces: Uint8Array[] = [];
  private piecesBytes = 0;
  private wroteSinceTick = false;
  private silentIntervals = 0;
  private framesRead = 0;
  private arrivingToldMs = Number.NEGATIVE_INFINITY;

  /** `open` gives the socket, which reads as it is told. */
  constructor(open: (reads: SocketReads) => Socket, dialled: boolean, owner: LinkOwner) {
    this.dialled = dialled;
    this.owner = owner;
    this.reader = new FrameReader(PREAMBLE, HELLO_MAX_BYTES, (frame) => this.receive(frame));
    const socket = open({
      room: () => this.reader.room(),
      took: (room, length) => this.read(room, length),
    });
    this.socket = socket;
    this.timer = owner.clock.setTimer(GREETING_TIMEOUT_MS, () => this.close("no greeting in time"));
    socket.setNoDelay(true);
    socket.on("end", () => this.close("ended by the other side"));
    socket.on("error", (error) => this.close(error.message));
    socket.on("close", () => {
      this.close("closed");
      this.owner.gone();
    });
    owner.opened();
  }

  /** By its greeting it is another's. */
  handTo(owner: LinkOwner): void {
    owner.opened();
    this.owner.gone();
    this.owner = owner;
  }

  get remoteAddress(): string {
    return `${this.socket.remoteAddress ?? "?"}:${this.socket.remotePort ?? "?"}`;
  }

  /** Bytes accepted for sending that the kernel has not taken yet. */
  get queuedBytes(): number {
    return this.piecesBytes + this.socket.writableLength;
  }

  sendHello(hello: Hello): void {
    this.helloSent = true;
    this.writeGreeting(hello);
  }

  /** Answers a greeting that is not accepted and hangs up once the answer has left. */
  refuse(refusal: Refusal): void {
    this.writeGreeting(refusal);
    this.finish(`refused: ${refusal.refused}`, true);
  }

  /** The other side was accepted: frames may flow. */
  open(peer: Hello): void {
    this.peer = peer;
    this.upSinceMs = this.owner.clock.monotonicMs();
    this.reader.maxBytes = this.owner.frameMaxBytes;
    this.timer.cancel();
    this.watchLife();
  }

  /** Queues one frame, as `Network.send`; `flush` sends what was queued. Returns the frame's bytes on the wire. */
  enqueue(parts: readonly Uint8Array[], guardedParts?: number): number {
    let bytes = 0;
    for (const piece of framed(parts, guardedParts)) {
      this.pieces.push(piece);
      bytes += piece.length;
    }
    this.piecesBytes += bytes;
    return bytes;
  }

  /** Hands everything queued to the kernel in one gathered write. */
  flush(): void {
    if (this.ended || this.pieces.length === 0) return;
    const pieces = this.pieces;
    this.pieces = [];
    this.piecesBytes = 0;
    this.wroteSinceTick = true;
    this.socket.cork();
    for (const piece of joinSmall(pieces)) this.socket.write(piece);
    this.socket.uncork();
  }

  /** Ends the connection now; with `polite`, after what is queued has left (bounded by a quarter of a second). */
  close(reason: string, polite = false, fault = false): void {
    if (this.ended) return;
    if (polite) this.flush();
    this.finish(reason, polite, fault);
  }

  private finish(reason: string, polite: boolean, fault = false): void {
    if (this.ended) return;
    this.ended = true;
    this.reader.stop();
    this.timer.cancel();
    this.pieces = [];
    this.piecesBytes = 0;
    if (polite && !this.socket.destroyed) {
      const linger = this.owner.clock.setTimer(LINGER_MS, () => this.socket.destroy());
      this.socket.once("close", () => linger.cancel());
      this.socket.resume().end();
    } else {
      this.socket.destroy();
    }
    this.owner.ended(this, reason, fault);
  }

  private read(room: Uint8Array, length: number): void {
    this.silentIntervals = 0;
    const { framesRead } = this;
    try {
      this.reader.took(room, length);
      if (this.framesRead === framesRead) this.tellArriving();
    } catch (error) {
      // Only what the other side can cause ends the link; anything else is ours and must not be swallowed here.
      if (!isQuorateError(error) || error.code !== "PROTOCOL") throw error;
      this.close(error.message, false, true);
    }
  }

  /**
   * Whatever follows a large frame waits behind it, heartbeats too. That must not be taken for silence, on either side: the
   * sender gets no answers meanwhile.
   */
  private tellArriving(): void {
    const nowMs = this.owner.clock.monotonicMs();
    if (!this.peer || this.ended || nowMs - this.arrivingToldMs < ARRIVING_INTERVAL_MS) return;
    this.arrivingToldMs = nowMs;
    if (this.reader.insideFrame && this.queuedBytes === 0) {
      for (const piece of LIFE_SIGN) this.socket.write(piece);
    }
    this.owner.arriving(this);
  }

  private receive(frame: Buffer): void {
    this.framesRead++;
    if (this.peer) {
      this.owner.received(this, frame);
      return;
    }
    const { message, proven } = decodeHello(frame, this.owner.secret);
    this.owner.greeted(this, message, proven);
  }

  private writeGreeting(message: Hello | Refusal): void {
    const body = encodeHello(message, this.owner.secret);
    this.socket.write(Buffer.concat([PREAMBLE, ...framed([body])]));
  }

  /**
   * A connection whose other end vanished without a word (power loss, a cut cable) looks open for many minutes. Intervals
   * are counted, not time: after a pause of this process one late tick must not condemn a link whose data is unread.
   */
  private watchLife(): void {
    this.timer = this.owner.clock.setTimer(LIFE_INTERVAL_MS, () => {
      if (++this.silentIntervals > SILENT_INTERVALS_MAX) {
        this.close(`silent for ${SILENT_INTERVALS_MAX} s`);
        return;
      }
      if (!this.wroteSinceTick && this.queuedBytes === 0) {
        for (const piece of LIFE_SIGN) this.socket.write(piece);
      }
      this.wroteSinceTick = false;
      this.watchLife();
    });
  }
}

/** Runs of small pieces joined into one buffer each, large pieces as they are. */
function joinSmall(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const joined: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const endRun = (): void => {
    if (run.length === 1) joined.push(...run);
    else if (run.length > 1) joined.push(Buffer.concat(run));
    run = [];
  };
  for (const piece of pieces) {
    if (piece.length < GATHER_BYTES) {
      run.push(piece);
    } else {
      endRun();
      joined.push(piece);
    }
  }
  endRun();
  return joined;
}
