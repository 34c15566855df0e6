/** What many inodes have in common, as one object for all that have it: a million files have few owners, modes and block sizes. */

export interface Rights {
  readonly owner: string;
  readonly group: string;
  readonly mode: number;
}

export interface Layout {
  readonly replication: number;
  readonly blockSize: number;
}

/** When there are more kinds, all are forgotten: what is shared stays shared, and what comes next is made once more. */
const KINDS_MAX = 4096;

const rights = new Map<string, Rights>();
const layouts = new Map<string, Layout>();
/** Those that were asked for last: most that follow are like them. */
let lastRights: Rights = { owner: "", group: "", mode: 0 };
let lastLayout: Layout = { replication: 0, blockSize: 0 };

export function sharedRights(owner: string, group: string, mode: number): Rights {
  const last = lastRights;
  if (last.owner === owner && last.group === group && last.mode === mode) return last;
  // The parts of a name may hold what separates them: their lengths tell them apart.
  const key = `${mode} ${owner.length} ${owner}${group}`;
  return (lastRights = shared(rights, key, { owner, group, mode }));
}

export function sharedLayout(replication: number, blockSize: number): Layout {
  const last = lastLayout;
  if (last.replication === replication && last.blockSize === blockSize) return last;
  return (lastLayout = shared(layouts, `${replication} ${blockSize}`, { replication, blockSize }));
}

function shared<Kind>(known: Map<string, Kind>, key: string, fresh: Kind): Kind {
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= KINDS_MAX) known.clear();
  known.set(key, fresh);
  return fresh;
}
