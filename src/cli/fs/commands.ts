/** Every command of `quorate fs`. */
import { getfacl, setfacl } from "./access.ts";
import { df, du } from "./accounting.ts";
import { count } from "./count.ts";
import { chgrp, chmod, chown, setrep } from "./attributes.ts";
import type { FsCommand } from "./command.ts";
import { concat } from "./concat.ts";
import { dus, lsr, rmr } from "./deprecated.ts";
import { ec } from "./erasure.ts";
import { getfattr, setfattr } from "./extended-attributes.ts";
import { fsck } from "./fsck.ts";
import { find } from "./find.ts";
import { ls, stat, test } from "./listing.ts";
import { mkdir, mv, rm, rmdir, touch, touchz, truncate } from "./naming.ts";
import { balance, commission, decommission, maintenance, recommission, safemode } from "./operating.ts";
import { clrQuota, clrSpaceQuota, setQuota, setSpaceQuota } from "./quotas.ts";
import { cat, checksum, head, tail, text } from "./reading.ts";
import { report } from "./report.ts";
import { expunge, settings } from "./settings.ts";
import {
  allowSnapshot,
  createSnapshot,
  deleteSnapshot,
  disallowSnapshot,
  lsSnapshottableDir,
  renameSnapshot,
  snapshotDiff,
} from "./snapshots.ts";
import {
  appendToFile,
  copyFromLocal,
  copyToLocal,
  cp,
  get,
  getmerge,
  moveFromLocal,
  moveToLocal,
  put,
} from "./transfers.ts";

const append: FsCommand = { ...appendToFile, name: "append", summary: "the same as appendToFile" };

export const FS_COMMANDS: readonly FsCommand[] = [
  ls,
  put,
  get,
  cat,
  cp,
  mv,
  rm,
  mkdir,
  rmdir,
  expunge,
  append,
  appendToFile,
  head,
  tail,
  text,
  touch,
  touchz,
  truncate,
  concat,
  du,
  df,
  count,
  stat,
  test,
  find,
  checksum,
  chmod,
  chown,
  chgrp,
  setrep,
  getfacl,
  setfacl,
  getfattr,
  setfattr,
  ec,
  createSnapshot,
  renameSnapshot,
  deleteSnapshot,
  snapshotDiff,
  lsSnapshottableDir,
  allowSnapshot,
  disallowSnapshot,
  setQuota,
  clrQuota,
  setSpaceQuota,
  clrSpaceQuota,
  copyFromLocal,
  copyToLocal,
  moveFromLocal,
  moveToLocal,
  getmerge,
  lsr,
  rmr,
  dus,
  fsck,
  report,
  safemode,
  decommission,
  maintenance,
  recommission,
  commission,
  balance,
  settings,
];
