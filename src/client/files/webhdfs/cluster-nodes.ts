/**
 * The nodes of one file system, of which one is asked at a time: those that were given and, where a cluster of Quorate is behind
 * them, the others, which a node that answers is asked for once: a second later, or as soon as it cannot do what it is asked for. So a
 * command that was told of one node outlives it, and its full disk.
 *
 * An address that a node gives for another one holds where that node is, and may lead elsewhere from here (through a tunnel, on
 * another machine's loopback). So nobody is sent to one before it has said itself that it is of the same cluster.
 */
import type { Connections } from "./connections.ts";
import { NotSent, readJson } from "./connections.ts";

/** Most commands are over by then, and ask for nothing that they do not need. */
const LEARN_AFTER_MS = 1_000;
const STATUS_TIMEOUT_MS = 2_000;
const STATUS_MAX_BYTES = 1024 * 1024;
const NODES_MAX = 64;
const AUTHORITY = /^([\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i;

interface ClusterView {
  readonly cluster: string;
  readonly authorities: readonly string[];
  /** It was only just started, or another one was: it has not heard where all of them are. */
  readonly isPartial: boolean;
}

export class ClusterNodes {
  private readonly connections: Connections;
  private readonly authorities: string[];
  /** So many were given; those behind them were learnt, of this cluster. */
  private readonly given: number;
  private cluster: string | undefined;
  /** The one that answered last, or is tried now. */
  private at = 0;
  /** The learnt one that has said that it is of the cluster, as long as it is the one that is asked. */
  private confirmed: string | undefined;
  private learning: NodeJS.Timeout | undefined;
  /** Asked for once, and again by whoever is refused as long as not all are known. */
  private learnt: Promise<void> | undefined;
  private isPartial = false;

  /** `authorities`: "host:port" of at least one. */
  constructor(connections: Connections, authorities: readonly string[]) {
    this.connections = connections;
    this.authorities = [...authorities];
    this.given = authorities.length;
  }

  /** For texts. */
  get name(): string {
    return this.authorities[this.at] ?? "";
  }

  /** Rejects with NotSent when it is not of the cluster, or does not say so. */
  async current(): Promise<string> {
    const authority = this.name;
    if (this.at < this.given || this.confirmed === authority) return authority;
    const view = await this.ask(authority);
    if (view === undefined || view.cluster !== this.cluster)
      throw new NotSent(`${authority}: it does not say that it is of the same cluster`);
    this.confirmed = authority;
    return authority;
  }

  /** It did not answer, or could not: another one is to be asked. */
  next(): void {
    this.at = (this.at + 1) % this.authorities.length;
    this.confirmed = undefined;
  }

  /** The current one has answered. */
  answered(): void {
    if (this.learnt !== undefined || this.learning !== undefined) return;
    this.learning = setTimeout(() => void this.refused(), LEARN_AFTER_MS);
    // A program that is done does not wait for it.
    this.learning.unref();
  }

  /** The current one answers, and cannot do what it was asked for. Resolves when the others are known, if there are any. */
  refused(): Promise<void> {
    clearTimeout(this.learning);
    this.learning = undefined;
    if (this.isPartial) this.learnt = undefined;
    this.isPartial = false;
    return (this.learnt ??= this.learn());
  }

  close(): void {
    clearTimeout(this.learning);
    this.learnt ??= Promise.resolve();
  }

  /** Another server of WebHDFS has no such thing, and is not asked again. */
  private async learn(): Promise<void> {
    const authority = this.name;
    const view = await this.ask(authority);
    if (view === undefined) return;
    this.cluster = view.cluster;
    this.isPartial = view.isPartial;
    for (const each of view.authorities)
      if (this.authorities.length < NODES_MAX && !this.authorities.includes(each))
        this.authorities.push(each);
  }

  /** Undefined: it is no node of Quorate, or does not answer in time. */
  private async ask(authority: string): Promise<ClusterView | undefined> {
    try {
      const until = AbortSignal.timeout(STATUS_TIMEOUT_MS);
      const sending = { signal: until, idleMs: STATUS_TIMEOUT_MS };
      const answer = await this.connections.send("GET", `http://${authority}/status`, sending);
      if (answer.statusCode !== 200) {
        answer.destroy();
        return undefined;
      }
      return viewOf(await readJson(answer, STATUS_MAX_BYTES));
    } catch {
      return undefined;
    }
  }
}

function viewOf(body: unknown): ClusterView | undefined {
  const { cluster, nodes } = (body ?? {}) as { readonly cluster?: unknown; readonly nodes?: unknown };
  if (typeof cluster !== "string" || !Array.isArray(nodes)) return undefined;
  const addresses = nodes.map((node: { readonly http?: unknown } | null) => node?.http);
  const authorities = addresses.filter(
    (http): http is string => typeof http === "string" && AUTHORITY.test(http),
  );
  return { cluster, authorities, isPartial: addresses.includes(null) };
}
