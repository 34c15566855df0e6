/** Who wants to know of changes of a path. Told after the turn in which it changed, once for all changes of the turn. */
import type { Clock } from "../../../runtime/world.ts";

interface Watcher {
  readonly path: string;
  readonly changed: (path: string) => void;
}

export class Watchers {
  private readonly clock: Clock;
  private readonly watchers = new Set<Watcher>();
  private readonly due = new Set<Watcher>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(path: string, changed: (path: string) => void, signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) return;
    const watcher = { path, changed };
    this.watchers.add(watcher);
    signal?.addEventListener("abort", () => this.watchers.delete(watcher), { once: true });
  }

  /** It, its directory, and all below it may look different now. */
  pathChanged(path: string): void {
    if (this.watchers.size === 0) return;
    const parent = path.slice(0, Math.max(1, path.lastIndexOf("/")));
    const below = path === "/" ? "/" : `${path}/`;
    for (const watcher of this.watchers) {
      const { path: watched } = watcher;
      if (watched === path || watched === parent || watched.startsWith(below)) this.mark(watcher);
    }
  }

  everythingChanged(): void {
    for (const watcher of this.watchers) this.mark(watcher);
  }

  private mark(watcher: Watcher): void {
    if (this.due.size === 0) this.clock.endOfTurn(() => this.tell());
    this.due.add(watcher);
  }

  private tell(): void {
    const due = [...this.due];
    this.due.clear();
    for (const watcher of due) if (this.watchers.has(watcher)) watcher.changed(watcher.path);
  }
}
