/** What the end of a stream means: connect again, or give up and say why. Pure. */

import { type CallError, Code } from "../call_error.js";
import { AgentRefused, AgentSuperseded } from "./agent_error.js";

/** What an answer to a Hello says about the agent itself: asking again, anywhere, gives the same answer. */
const REFUSALS: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.Unimplemented,
]);

/**
 * Why the agent must end, if it must; undefined if it is to connect again. After Welcome only a superseded incarnation is fatal: everything
 * else a later stream, or another coordinator, may mend.
 */
export function verdict(error: CallError, agentId: string, welcomed: boolean): Error | undefined {
  if (error.reason === "INCARNATION_SUPERSEDED") {
    return new AgentSuperseded(
      `a newer process has the agent id "${agentId}", so this one ends: give each process an id of its own`,
      { cause: error },
    );
  }
  if (welcomed || !REFUSALS.has(error.code)) return undefined;
  return new AgentRefused(`the coordinator does not take the agent "${agentId}": ${error.message}`, { cause: error });
}
