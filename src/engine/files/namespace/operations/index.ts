/** All operations, by command. */
import type { NodeId } from "../../../../runtime/world.ts";
import type { CommandType } from "../commands.ts";
import { Refusal } from "../replies.ts";
import { changedSettings } from "../settings.ts";
import { ABANDON_OPERATIONS } from "./abandoning.ts";
import { ATTRIBUTE_OPERATIONS } from "./attributes.ts";
import { CONTENT_OPERATIONS } from "./content.ts";
import { DIRECTORY_OPERATIONS } from "./directories.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";
import { RECOVERY_OPERATIONS } from "./recovering.ts";
import { RENAME_OPERATIONS } from "./renaming.ts";
import { SNAPSHOT_OPERATIONS } from "./snapshotting.ts";
import { TRASH_OPERATIONS } from "./trash.ts";
import { WRITING_OPERATIONS } from "./writing.ts";

/** As members are named. */
const NODE_NAME = /^[\w.-]{1,64}$/;

export const OPERATIONS: Operations<CommandType> = {
  ...DIRECTORY_OPERATIONS,
  ...RENAME_OPERATIONS,
  ...ATTRIBUTE_OPERATIONS,
  ...CONTENT_OPERATIONS,
  ...WRITING_OPERATIONS,
  ...RECOVERY_OPERATIONS,
  ...ABANDON_OPERATIONS,
  ...SNAPSHOT_OPERATIONS,
  ...TRASH_OPERATIONS,

  configure(state, { caller, settings }) {
    accessOf(state, caller).checkSuperuser("change the settings of the file system");
    const before = state.settings;
    state.settings = changedSettings(before, settings);
    if (before.trashIntervalMs !== state.settings.trashIntervalMs) state.counters.emptyTrashAtMs = 0;
    state.observer?.configured(settings);
    return undefined;
  },

  setStanding(state, { caller, node, standing }) {
    accessOf(state, caller).checkSuperuser("take a node out of service or back into it");
    if (!NODE_NAME.test(node)) throw new Refusal("ARGUMENT_INVALID", "a node's name has 1 to 64 letters");
    const { decommissioning, inMaintenance } = state.settings;
    const listed = (nodes: readonly NodeId[], isOn: boolean): readonly NodeId[] => [
      ...nodes.filter((each) => each !== node),
      ...(isOn ? [node] : []),
    ];
    const settings = {
      decommissioning: listed(decommissioning, standing === "decommissioning"),
      inMaintenance: listed(inMaintenance, standing === "inMaintenance"),
    };
    state.settings = changedSettings(state.settings, settings);
    state.observer?.configured(settings);
    return undefined;
  },

  found(state, { key, settings }) {
    if (state.key !== undefined) return false;
    if (!/^[0-9a-f]{64}$/.test(key)) throw new Refusal("ARGUMENT_INVALID", "a key has 64 hexadecimal digits");
    state.settings = changedSettings(state.settings, settings);
    const { superuser, supergroup } = state.settings;
    const caller = { user: superuser, groups: [] };
    OPERATIONS.setOwner(state, { type: "setOwner", caller, path: "/", owner: superuser, group: supergroup });
    state.key = key;
    return true;
  },

  reclaim: (state, { limit }) => state.reclaimer.run(limit),
};
