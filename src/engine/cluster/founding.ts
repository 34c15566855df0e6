/**
 * Who founds a cluster whose nodes keep nothing.
 *
 * A process that finds nothing of its own cannot know whether it is new or has forgotten everything: it is *blank*. It is a
 * founder if all founders are blank: then nobody holds anything that could be lost. If one is not, there was a cluster before,
 * and this node must wait until that admits it, for it may have voted and acknowledged there.
 *
 * Each node decides for itself, of what it was told since it started. While it gathers the answers, another may have decided
 * already: then that one tells with whom it founded the cluster, and if this node was among them nothing is wrong. Every
 * answer must be fresh, so that a cluster in which one node after the other begins anew is never taken for a new one.
 */
import type { NodeId } from "../../runtime/world.ts";
import type { Greeting } from "./frames.ts";

export class Founding {
  private readonly directory: string;
  /** The other founders, and the directory under which each was blank. */
  private readonly others: ReadonlyMap<NodeId, { blankAs: string | undefined }>;

  constructor(self: NodeId, directory: string, founders: readonly NodeId[]) {
    this.directory = directory;
    const ids = founders.filter((id) => id !== self);
    this.others = new Map(ids.map((id) => [id, { blankAs: undefined }]));
  }

  heard(from: NodeId, greeting: Greeting): void {
    const other = this.others.get(from);
    if (other === undefined) return;
    if (greeting.newcomer === true) other.blankAs = greeting.blank === true ? greeting.directory : undefined;
    else if (other.blankAs !== greeting.directory || !greeting.founders?.includes(this.directory)) {
      other.blankAs = undefined;
    }
  }

  /** The directories of all founders once all are known to be blank, and are heard now. */
  founders(isLive: (id: NodeId) => boolean): readonly string[] | undefined {
    const directories = [this.directory];
    for (const [id, { blankAs }] of this.others) {
      if (blankAs === undefined || !isLive(id)) return undefined;
      directories.push(blankAs);
    }
    return directories;
  }
}
