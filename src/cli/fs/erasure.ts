/** `ec`: the words of `hdfs ec`, as far as they are about directories and what there is. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Arguments, FsCommand } from "./command.ts";
import type { Shell } from "./shell.ts";

const REPLICATION = "replication";
const VERBS = ["listPolicies", "getPolicy", "setPolicy", "unsetPolicy"] as const;

export const ec: FsCommand = {
  name: "ec",
  usage:
    "-listPolicies | -getPolicy -path <path> | -setPolicy -path <path> [-policy <policy>] [-replicate] | -unsetPolicy -path <path>",
  summary: "keep files of a directory erasure coded, from now on, or say how they are kept",
  switches: [...VERBS, "replicate"],
  values: ["path", "policy"],
  min: 0,
  max: 0,
  async run(shell, args) {
    const [verb, more] = VERBS.filter((each) => args.has(each));
    if (verb === undefined || more !== undefined) {
      throw new QuorateError("USAGE", `exactly one of ${VERBS.map((each) => `-${each}`).join(", ")}`);
    }
    if (verb === "listPolicies") return listPolicies(shell);
    const word = args.value("path");
    if (word === undefined) throw new QuorateError("USAGE", "Please specify the path: -path");
    const policy = verb === "setPolicy" ? await wantedPolicy(shell, args) : undefined;
    await shell.attempt(word, async () => {
      const path = await shell.pathOf(word);
      if (verb === "getPolicy") return getPolicy(shell, word, path);
      await shell.files.setErasureCoding(path, policy, { signal: shell.signal });
      await shell.print(
        policy === undefined
          ? `Unset erasure coding policy from ${word}`
          : `Set ${policy} erasure coding policy on ${word}`,
      );
      const { files, directories } = await shell.files.summary(path, { signal: shell.signal });
      if (files + directories <= 1) return;
      const will = policy === undefined ? "be replicated" : `be converted to ${policy} erasure coding policy`;
      shell.note(`Warning: files that are below ${word} already stay as they are, and will not ${will}`);
    });
  },
};

async function listPolicies(shell: Shell): Promise<void> {
  await shell.print("Erasure Coding Policies:");
  for (const each of await shell.files.erasureCodings({ signal: shell.signal })) {
    const { name, codec, dataUnits, parityUnits, cellBytes, id, enabled } = each;
    const schema = `ECSchema=[Codec=${codec}, numDataUnits=${dataUnits}, numParityUnits=${parityUnits}]`;
    const policy = `Name=${name}, Schema=[${schema}], CellSize=${cellBytes}, Id=${id}`;
    await shell.print(`ErasureCodingPolicy=[${policy}], State=${enabled ? "ENABLED" : "DISABLED"}`);
  }
}

async function getPolicy(shell: Shell, word: string, path: string): Promise<void> {
  const { erasureCoding } = await shell.files.stat(path, { signal: shell.signal });
  await shell.print(erasureCoding ?? `The erasure coding policy of ${word} is unspecified`);
}

/** As `hdfs ec`: the system's default is the enabled policy with the most data shards. */
async function wantedPolicy(shell: Shell, args: Arguments): Promise<string> {
  const named = args.value("policy");
  if (args.has("replicate")) {
    if (named !== undefined)
      throw new QuorateError("USAGE", "-replicate and -policy cannot be given together");
    return REPLICATION;
  }
  if (named !== undefined) return named;
  const enabled = (await shell.files.erasureCodings({ signal: shell.signal })).filter((each) => each.enabled);
  const [widest] = enabled.toSorted((left, right) => right.dataUnits - left.dataUnits);
  if (widest === undefined)
    throw new QuorateError("UNSUPPORTED", "no erasure coding policy is enabled there");
  return widest.name;
}
