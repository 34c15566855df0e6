/**
 * bundle: a job's module with all that it imports, made one file when it is submitted. It is named by its content, so that it is
 * stored and shipped once, and every task of the job runs the same bytes.
 *
 * Imports of the program's own files and of npm packages become part of it. `quorate` is this very package, wherever the module
 * lies; of it only what the job uses. The source map is inside, so that stacks tell of the source.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve, sep } from "node:path";
import type { BuildFailure, BuildOptions, Message, Plugin } from "esbuild";
import { build } from "esbuild";
import { QuorateError } from "../../runtime/errors.ts";

export interface Bundle {
  /** The module's file without folder and ending: the default name of the job. */
  readonly name: string;
  /** An ES module, UTF-8. */
  readonly code: Uint8Array;
  readonly sha256: string;
}

/** Where this package's own modules lie, compiled or not. */
const PACKAGE_CODE = resolve(import.meta.dirname, "../..");
const ENDING = extname(import.meta.filename);
/** What the names of this package stand for: as in "exports" of package.json. */
const PACKAGE_DOORS: Readonly<Record<string, string>> = {
  quorate: join(PACKAGE_CODE, `index${ENDING}`),
  "quorate/mapreduce": join(PACKAGE_CODE, "mapreduce", `index${ENDING}`),
};
const MESSAGES_MAX = 5;
/** Packages in CommonJS ask for Node.js's modules by `require`, which a module has not by itself. */
const BANNER =
  'import { createRequire as quorateCreateRequire } from "node:module"; const require = quorateCreateRequire(import.meta.url);';

/**
 * Bundles the module at `path`. JOB_INVALID, with the place: it has a syntax error, imports what is not there, or has no default
 * export. PATH_NOT_FOUND.
 */
export function bundleModule(path: string): Promise<Bundle> {
  return bundle(path, (entry) => ({ entryPoints: [entry] }));
}

/** The same with a program of its own, which is `call` of this package's file `door` (below its code) given the job and `about`. */
export function bundleCalling(path: string, door: string, call: string, about: unknown): Promise<Bundle> {
  const contents = (entry: string): string =>
    [
      `import job from ${JSON.stringify(entry)};`,
      `import { ${call} } from ${JSON.stringify(join(PACKAGE_CODE, door) + ENDING)};`,
      "export default job;",
      `await ${call}(job, ${JSON.stringify(about)});`,
    ].join("\n");
  return bundle(path, (entry) => ({
    stdin: { contents: contents(entry), resolveDir: dirname(entry), sourcefile: "quorate-program.js" },
  }));
}

async function bundle(
  path: string,
  from: (entry: string) => Pick<BuildOptions, "entryPoints" | "stdin">,
): Promise<Bundle> {
  const entry = resolve(path);
  await readFile(entry).catch((cause: unknown) => {
    throw new QuorateError("PATH_NOT_FOUND", `the job's module cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  });
  const folder = dirname(entry);
  const name = basename(entry).replace(/\.[cm]?[jt]sx?$/, "");
  const outfile = join(folder, `${name}.bundle.mjs`);
  const result = await build({
    ...from(entry),
    outfile,
    absWorkingDir: folder,
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    keepNames: true,
    charset: "utf8",
    banner: { js: BANNER },
    plugins: [thisPackage],
    logLevel: "silent",
  }).catch((error: unknown) => {
    throw invalid(error, path);
  });
  const [file] = result.outputFiles;
  const output = Object.values(result.metafile.outputs).find(({ entryPoint }) => entryPoint !== undefined);
  if (file === undefined || output === undefined)
    throw new QuorateError("INVARIANT", "the bundler gave no file");
  if (!output.exports.includes("default"))
    throw new QuorateError(
      "JOB_INVALID",
      `${path} has no default export; a job's module ends in: export default job({ … })`,
    );
  return { name, code: file.contents, sha256: createHash("sha256").update(file.contents).digest("hex") };
}

/** `quorate` is this package; what it imports itself stays outside, and goes where a job uses nothing of it. */
const thisPackage: Plugin = {
  name: "quorate",
  setup(pluginBuild) {
    pluginBuild.onResolve({ filter: /^quorate(\/|$)/ }, ({ path }) => {
      const door = PACKAGE_DOORS[path];
      if (door === undefined) return { errors: [{ text: `quorate has no part "${path}"` }] };
      return { path: door, sideEffects: false };
    });
    pluginBuild.onResolve({ filter: /^\./ }, ({ path, resolveDir, importer }) => {
      if (!isOwn(importer)) return undefined;
      return { path: join(resolveDir, path), sideEffects: false };
    });
    pluginBuild.onResolve({ filter: /^[^./]/ }, ({ path, importer }) =>
      isOwn(importer) ? { path, external: true, sideEffects: false } : undefined,
    );
  },
};

function isOwn(path: string): boolean {
  return path.startsWith(`${PACKAGE_CODE}${sep}`);
}

function invalid(error: unknown, path: string): unknown {
  const { errors } = error as Partial<BuildFailure>;
  if (!Array.isArray(errors) || errors.length === 0) return error;
  const lines = errors.slice(0, MESSAGES_MAX).flatMap((message) => textOf(message));
  const more = errors.length > MESSAGES_MAX ? [`and ${errors.length - MESSAGES_MAX} more`] : [];
  return new QuorateError("JOB_INVALID", [`${path} cannot be bundled:`, ...lines, ...more].join("\n"), {
    cause: error,
  });
}

/** The place as editors know it, the line, and a mark below what is meant. */
function textOf({ text, location, notes }: Message): readonly string[] {
  if (location === null) return [`  ${text}`];
  const { file, line, column, lineText, length } = location;
  const shown = lineText.trimEnd();
  // Columns are bytes of UTF-8.
  const before = Buffer.from(shown).subarray(0, column).toString("utf8");
  const mark = `${before.replaceAll(/[^\t]/g, " ")}${"^".repeat(Math.max(1, Math.min(length, shown.length - before.length)))}`;
  // Of esbuild's own flags there are none here.
  const hints = notes.filter((note) => !note.text.includes("external")).map((note) => `    ${note.text}`);
  return [`  ${file}:${line}:${before.length + 1}: ${text}`, `    ${shown}`, `    ${mark}`, ...hints];
}
