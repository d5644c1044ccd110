/** Handlers, and what becomes of what they return or throw. */

import { create } from "@bufbuild/protobuf";
import { FailedSchema, SucceededSchema } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { FailureSchema } from "../../generated/missioncontrol/v1/task_pb.js";
import { encodePayload } from "../payload.js";
import { FAILURE_CODE_BYTES_MAX, FAILURE_MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX } from "../session/limits.js";
import { type Outcome, STOPPED } from "../session/outcome.js";
import { clip } from "../session/text.js";
import { TaskFailure } from "./agent_error.js";
import type { TaskContext } from "./task_context.js";

/**
 * Does the work of a task, and returns its output (see encodePayload), or throws. It must not block the event loop, on which the heartbeats
 * run, too: long computations belong into a worker thread or a process.
 */
export type Handler = (task: TaskContext) => unknown;

/** Runs a handler to its end. Never throws. */
export async function run(handler: Handler, task: TaskContext): Promise<Outcome> {
  try {
    const output = encodePayload(await handler(task));
    if (output.data.length <= PAYLOAD_BYTES_MAX) {
      return { case: "succeeded", value: create(SucceededSchema, { output }) };
    }
    const message = `the output has ${output.data.length} bytes; at most ${PAYLOAD_BYTES_MAX} are kept`;
    return failed(new TaskFailure(message, { code: "OUTPUT_TOO_LARGE", permanent: true }));
  } catch (thrown) {
    return task.signal.aborted ? STOPPED : failed(thrown);
  }
}

function failed(thrown: unknown): Outcome {
  const known = thrown instanceof TaskFailure ? thrown : new TaskFailure(String(thrown), { code: nameOf(thrown) });
  const failure = create(FailureSchema, {
    reason: known.reason,
    message: clip(known.message, FAILURE_MESSAGE_BYTES_MAX),
    code: clip(known.code, FAILURE_CODE_BYTES_MAX),
    permanent: known.permanent,
  });
  return { case: "failed", value: create(FailedSchema, { failure }) };
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : typeof thrown;
}
