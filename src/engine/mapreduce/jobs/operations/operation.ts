/** What an operation is: a command's effect on the state. It throws Refusal before it changes anything. */
import type { CommandOf, CommandType } from "../commands.ts";
import type { Replies } from "../replies.ts";
import type { JobsState } from "../state.ts";

export type Operation<Type extends CommandType> = (
  state: JobsState,
  command: CommandOf<Type>,
) => Replies[Type];
export type Operations<Types extends CommandType> = { readonly [Type in Types]: Operation<Type> };
