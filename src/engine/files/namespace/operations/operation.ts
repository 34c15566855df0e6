/** operations: one function a command, by subject. They check everything first, and then change the state in small steps. */
import { Access } from "../access.ts";
import type { CommandOf, CommandType } from "../commands.ts";
import type { Caller } from "../model.ts";
import type { Replies } from "../replies.ts";
import type { NamespaceState } from "../state.ts";

/** Throws a Refusal before it has changed anything. */
export type Operation<Type extends CommandType> = (
  state: NamespaceState,
  command: CommandOf<Type>,
) => Replies[Type];

export type Operations<Type extends CommandType> = { readonly [Each in Type]: Operation<Each> };

export function accessOf(state: NamespaceState, caller: Caller): Access {
  return new Access(caller, state.settings);
}
