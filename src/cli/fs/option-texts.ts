/** What the options of common commands do, as `quorate fs help COMMAND` tells it; those of the others are told by their summaries. */

const THREADS = {
  "-t": "so many files at a time; default 4, of small ones 64",
  "-q": "taken, and does nothing: no file waits in a queue",
};
const PUT = {
  "-f": "over what is there",
  "-p": "keep times, owner and permissions",
  "-l": "in one replica",
  "-d": "write to the place itself, without a file <dst>._COPYING_ that gets the name at the end",
  ...THREADS,
};
const GET = {
  "-f": "over what is there",
  "-p": "keep times, owner and permissions",
  "-crc": "taken, and does nothing: no checksums are stored beside files",
  "-ignoreCrc": "taken, and does nothing: the server checks what it reads",
  ...THREADS,
};
const LS = {
  "-C": "paths alone",
  "-d": "a directory itself, not what is in it",
  "-h": "sizes with units",
  "-q": "? in place of what is not printable",
  "-R": "all below, too",
  "-t": "newest first",
  "-S": "largest first",
  "-r": "the other way round",
  "-u": "show and sort by the time of the last access",
  "-e": "how files and directories are coded",
};
const RM = {
  "-f": "what is not there is no failure",
  "-r": "directories, with all below",
  "-R": "the same",
  "-skipTrash": "for good, past the trash",
  "-safely": "ask before a directory of many files goes",
};
const DU = {
  "-s": "one sum for each path",
  "-h": "sizes with units",
  "-v": "a line of headings",
  "-x": "without what only snapshots hold",
};
const APPEND = { "-n": "taken, and does nothing: the server decides whether a new block begins" };
const BELOW = { "-R": "all below, too" };

export const OPTION_TEXTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ls: LS,
  lsr: LS,
  put: PUT,
  copyFromLocal: PUT,
  moveFromLocal: PUT,
  get: GET,
  copyToLocal: GET,
  cat: { "-ignoreCrc": GET["-ignoreCrc"] },
  text: { "-ignoreCrc": GET["-ignoreCrc"] },
  cp: {
    "-f": "over what is there",
    "-p": "keep times, owner and permissions; with letters: t times, o owner, p permissions, a ACL, x attributes",
    "-d": PUT["-d"],
    ...THREADS,
  },
  rm: RM,
  rmr: RM,
  mkdir: { "-p": "those above, too; what is there is no failure" },
  rmdir: { "--ignore-fail-on-non-empty": "a directory that is not empty is no failure" },
  append: APPEND,
  appendToFile: APPEND,
  tail: { "-f": "go on as the file grows", "-s": "with -f: look every so many milliseconds; default 5,000" },
  touch: {
    "-a": "only the time of the last access",
    "-m": "only the time of the last change",
    "-t": "this time in place of now",
    "-c": "make nothing that is not there",
  },
  truncate: { "-w": "wait until it is done" },
  du: DU,
  dus: DU,
  df: { "-h": "sizes with units" },
  count: {
    "-q": "quotas and what is left of them, too",
    "-h": "sizes with units",
    "-v": "a line of headings",
    "-t": "with -q or -u: quotas of these storage types, of all without a value",
    "-u": "quotas and their use alone",
    "-x": "without what only snapshots hold",
    "-e": "how the path is coded",
    "-s": "what of it only snapshots hold",
  },
  test: {
    "-d": "it is a directory",
    "-e": "it is there",
    "-f": "it is a file",
    "-s": "it is not empty",
    "-w": "you may write it",
    "-r": "you may read it",
    "-z": "it is a file without content",
  },
  checksum: { "-v": "the size of the blocks, too" },
  chmod: BELOW,
  chown: BELOW,
  chgrp: BELOW,
  setrep: {
    "-R": "taken, and does nothing: all below is what a directory means",
    "-w": "wait until it is so",
  },
  getmerge: { "-nl": "a line's end behind each file", "-skip-empty-file": "none behind an empty one" },
};
