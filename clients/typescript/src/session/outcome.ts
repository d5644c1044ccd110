/** Which report ends a lease, given how its work ended and whether it had been told to stop. Pure. */

import { create } from "@bufbuild/protobuf";
import {
  CancelledSchema,
  FailedSchema,
  RejectedSchema,
  type Report,
  ReturnedSchema,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { type Failure, FailureReason, FailureSchema } from "../../generated/missioncontrol/v1/task_pb.js";
import { StopReason } from "./effect.js";
import { NOTE_BYTES_MAX } from "./limits.js";
import { clip } from "./text.js";

/** What a report says. */
export type ReportEvent = Exclude<Report["event"], { case: undefined }>;

/** How work ended: well, badly, or, here called cancelled, stopped before it was done. */
export type Outcome = Extract<ReportEvent, { case: "succeeded" | "failed" | "cancelled" }>;

/** Work that stopped, and left nothing. */
export const STOPPED: Outcome = { case: "cancelled", value: create(CancelledSchema) };

/**
 * A lease's last report; undefined if nothing is to be said. A success wins over everything but a time limit, which the coordinator
 * enforces too. What failed while it was being stopped for the agent's own reasons is returned: the stop may have been the cause, and
 * must not burn a retry.
 */
export function finalReport(outcome: Outcome, stop: StopReason | undefined): ReportEvent | undefined {
  if (stop === StopReason.DROPPED) return undefined;
  if (stop === StopReason.TIMEOUT) {
    return failed(outcome, create(FailureSchema, { reason: FailureReason.TIMEOUT, message: stop }));
  }
  if (outcome.case === "succeeded" || (outcome.case === "failed" && stop === undefined)) return outcome;
  if (stop === StopReason.CANCEL) return { case: "cancelled", value: create(CancelledSchema, rest(outcome)) };
  if (stop !== undefined) return returned(stop);
  return failed(outcome, failure("the work stopped, and nobody had asked for it", "CANCELLED_ITSELF", false));
}

/** What is reported in place of an outcome that the coordinator called invalid, after so many such refusals. */
export function replacement(refusals: number, message: string): ReportEvent {
  if (refusals > 1) return returned("the coordinator refused two outcomes of this lease");
  const why = clip(`the coordinator refused the outcome: ${message}`, NOTE_BYTES_MAX);
  return { case: "failed", value: create(FailedSchema, { failure: failure(why, "OUTCOME_REFUSED", true) }) };
}

/** The lease is given back. */
export function returned(message: string): ReportEvent {
  return { case: "returned", value: create(ReturnedSchema, { message }) };
}

/** The lease is refused. */
export function rejected(message: string): ReportEvent {
  return { case: "rejected", value: create(RejectedSchema, { message: clip(message, NOTE_BYTES_MAX) }) };
}

function failed(outcome: Outcome, why: Failure): ReportEvent {
  return { case: "failed", value: create(FailedSchema, { ...rest(outcome), failure: why }) };
}

function failure(message: string, code: string, permanent: boolean): Failure {
  return create(FailureSchema, { reason: FailureReason.ERROR, message, code, permanent });
}

/** What it produced and used all the same. */
function rest({ value: { output, usage } }: Outcome) {
  return { ...(output === undefined ? {} : { output }), ...(usage === undefined ? {} : { usage }) };
}
