import { expect, test } from "vitest";
import { FS_COMMANDS } from "./commands.ts";
import { OPTION_TEXTS } from "./option-texts.ts";

test.each(Object.keys(OPTION_TEXTS))(
  "help tells of every option of %s, in the order of its usage",
  (name) => {
    const command = FS_COMMANDS.find((each) => each.name === name);
    const { switches = [], lettered = {}, values = [], optionals = [], usage = "" } = command ?? {};
    const taken = [...switches, ...Object.keys(lettered), ...values, ...optionals].map(
      (option) => `-${option}`,
    );
    const told = Object.keys(OPTION_TEXTS[name] ?? {});
    if (name === "test") return expect(told).toEqual(taken);
    // The long form of a listing is the only one: -l is taken, and in no usage.
    const places = new Map(taken.map((option) => [option, placeIn(usage, option)]));
    const named = taken.filter((option) => (places.get(option) ?? -1) >= 0);
    expect(told).toEqual(named.sort((left, right) => (places.get(left) ?? 0) - (places.get(right) ?? 0)));
  },
);

function placeIn(usage: string, option: string): number {
  return usage.search(new RegExp(`(?<![\\w-])${option}(?![\\w-])`));
}
