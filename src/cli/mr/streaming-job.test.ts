import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseStreamingWords } from "./streaming-flags.ts";
import type { StreamingJob } from "./streaming-job.ts";
import { splitAtCommas, streamingJob } from "./streaming-job.ts";

const folder = mkdtempSync(join(tmpdir(), "quorate-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));
const script = join(folder, "map.py");
writeFileSync(script, "");
const conf = join(folder, "conf.xml");
writeFileSync(
  conf,
  `<?xml version="1.0"?><configuration><!-- <property><name>no</name></property> -->
   <property><name>a.b</name><value>1 &lt; 2 &#65;</value></property>
   <property><name>mapred.reduce.tasks</name><value>7</value></property></configuration>`,
);

function job(...words: readonly string[]): StreamingJob {
  return streamingJob(parseStreamingWords(words));
}

const PATHS = ["-input", "/in", "-output", "/out"];

describe("the words of Hadoop Streaming", () => {
  test("are a job", () => {
    const given = job(
      "-D",
      "mapreduce.job.name=counts",
      "-Dstream.num.map.output.key.fields=2",
      "-files",
      `${script}#m.py,hdfs://c/d.txt`,
      "-archives",
      "hdfs://c/a.tgz#dict",
      "-input",
      "/a,/b{1,2}",
      "/c",
      "--input",
      "/d",
      "-output",
      "/out",
      "-mapper",
      "python3 m.py x",
      "-combiner",
      "uniq",
      "-reducer",
      "uniq -c",
      "-partitioner",
      "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner",
      "-numReduceTasks",
      "4",
      "-cmdenv",
      "A=1",
      "-cmdenv",
      "B=2",
      "-lazyOutput",
      "-io",
      "TypedBytes",
    );
    expect(given).toEqual({
      name: "counts",
      program: {
        type: "streaming",
        mapper: "python3 m.py x",
        reducer: "uniq -c",
        combiner: "uniq",
        partitioner: "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner",
        lazyOutput: true,
        io: "typedbytes",
        environment: { A: "1", B: "2" },
      },
      inputs: ["/a", "/b{1,2}", "/c", "/d"],
      output: "/out",
      properties: { "mapreduce.job.name": "counts", "stream.num.map.output.key.fields": "2" },
      settings: { reduces: 4 },
      shipped: [
        { source: script, link: "m.py", archive: false },
        { source: "hdfs://c/d.txt", link: "d.txt", archive: false },
        { source: "hdfs://c/a.tgz", link: "dict", archive: true },
      ],
      warnings: [],
    });
  });

  test("of maps only: NONE, or no reduce tasks", () => {
    for (const words of [
      ["-reducer", "NONE"],
      ["-numReduceTasks", "0"],
      ["-D", "mapred.reduce.tasks=0"],
    ])
      expect(job(...PATHS, "-mapper", "cat", ...words)).toMatchObject({
        program: { reducer: "NONE" },
        settings: { reduces: 0 },
      });
    // The reducer is forgotten, as by Hadoop.
    expect(job(...PATHS, "-mapper", "cat", "-reducer", "x", "-numReduceTasks", "0").program.reducer).toBe(
      "NONE",
    );
  });

  test("name a program that is shipped by its link", () => {
    expect(job(...PATHS, "-mapper", script, "-file", script).program.mapper).toBe("./map.py");
    expect(job(...PATHS, "-mapper", `${script} -v`, "-files", `${script}#m`).program.mapper).toBe("./m -v");
    expect(job(...PATHS, "-mapper", "/bin/cat", "-file", script).program.mapper).toBe("/bin/cat");
  });

  test("take properties from files, flags going before them", () => {
    const given = job(...PATHS, "-conf", conf, "-jobconf", "x=1");
    expect(given.properties).toEqual({ "a.b": "1 < 2 A", "mapreduce.job.reduces": "7", x: "1" });
    expect(given.settings).toEqual({ reduces: 7 });
    expect(job(...PATHS, "-conf", conf, "-D", "mapred.reduce.tasks=2").settings).toEqual({ reduces: 2 });
  });

  test.each([
    [["-output", "/o"], "USAGE", /needs -input/],
    [["-input", "/i"], "USAGE", /needs -output/],
    [[...PATHS, "-maper", "cat"], "USAGE", /unknown flag -maper, did you mean -mapper/],
    [[...PATHS, "-mapper"], "USAGE", /-mapper needs a value/],
    [["-input", "-output", "/o"], "USAGE", /-input needs a value/],
    [[...PATHS, "-mapper", "cat", "x"], "USAGE", /"x" is not understood/],
    [[...PATHS, "-libjars", "x.jar"], "UNSUPPORTED", /no Java/],
    [[...PATHS, "-mapper", "com.example.MyMapper"], "UNSUPPORTED", /classes of Java/],
    [[...PATHS, "-io", "xml"], "USAGE", /-io is text, rawbytes or typedbytes/],
    [[...PATHS, "-D", "novalue"], "USAGE", /-D takes NAME=VALUE/],
    [[...PATHS, "-numReduceTasks", "-1"], "USAGE", /whole number/],
    [[...PATHS, "-files", "/no/such/file"], "USAGE", /cannot be shipped/],
    [[...PATHS, "-files", `${script},${conf}#map.py`], "USAGE", /would both be "map.py"/],
    [[...PATHS, "-files", `${script}#a/b`], "USAGE", /a link is a plain name/],
    [[...PATHS, "-conf", script], "USAGE", /no configuration of Hadoop/],
  ] as const)("with a mistake (%j) are refused", (words, code, message) => {
    let failure: unknown;
    try {
      job(...words);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code });
    expect((failure as Error).message).toMatch(message);
  });

  test("say what is taken and has no effect", () => {
    const { warnings } = job(...PATHS, "-mapdebug", "x", "-cmdenv", "A=b c");
    expect(warnings).toEqual([
      expect.stringMatching(/-mapdebug is not run/),
      expect.stringMatching(/"c" is no NAME=VALUE/),
    ]);
  });
});

test("commas part paths, not the alternatives of a glob", () => {
  expect(splitAtCommas("a,b{c,d},e\\,f,,")).toEqual(["a", "b{c,d}", "e,f"]);
});
