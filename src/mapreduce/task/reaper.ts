/**
 * Ends the processes of attempts when who started them is gone, however it went. A task that runs sees the end of its channel
 * itself; one whose program never comes back does not, nor does an executable: so a shell waits beside this process, for nothing
 * but the end of a pipe, and knows the process groups that are to go with it.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/** Lines `+ PID` and `- PID`. What ends this process by a signal to its group or terminal must not end the shell before. */
const SCRIPT = `
trap '' HUP INT QUIT TERM
groups=' '
while read -r what pid; do
  case $what in
    +) groups="$groups$pid " ;;
    -) groups="\${groups%%" $pid "*} \${groups#*" $pid "}" ;;
  esac
done
for pid in $groups; do kill -s KILL -- "-$pid"; done
`;

let shell: ChildProcess | undefined;

/** The process, and all of its group, ends when this process does. */
export function endWithThis(pid: number): void {
  shell ??= start();
  tell(`+ ${pid}\n`);
}

/** It has ended: its number may be that of another one. */
export function hasEnded(pid: number): void {
  tell(`- ${pid}\n`);
}

function tell(line: string): void {
  if (shell?.stdin?.writable === true) shell.stdin.write(line);
}

function start(): ChildProcess {
  const child = spawn("sh", ["-c", SCRIPT], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
  });
  // Without a shell, or one that was killed, the next start of a node ends what was left.
  child.on("error", () => undefined);
  child.on("exit", () => (shell = undefined));
  child.stdin.on("error", () => undefined);
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}
