/** What the session asks its surroundings to do, and why work is stopped. Plain values. */

import type { Lease } from "../../generated/missioncontrol/v1/agent_service_pb.js";

/** Names one lease, as text that can be compared: task id and token. */
export type LeaseKey = string;

/** The name of a lease, or of whatever names one. */
export function keyOf(lease: { readonly taskId: string; readonly token: bigint }): LeaseKey {
  return `${lease.taskId}/${lease.token}`;
}

/** Why work that has started, or was about to, must stop. */
export enum StopReason {
  CANCEL = "the task was cancelled",
  TIMEOUT = "the time limit for running was exceeded",
  LOST = "the lease could not be renewed in time",
  DROPPED = "the lease is not this agent's any more",
  DRAIN = "the agent is draining",
}

export type Effect =
  /** Start the work of this lease: a slot is free for it. Answer with `ended`. */
  | { readonly kind: "start"; readonly lease: Lease }
  /** Tell the work of this lease to stop; `ended` follows when it has. May come twice, with another reason. */
  | { readonly kind: "stop"; readonly key: LeaseKey; readonly reason: StopReason }
  /** Drop this stream, and open another one after the delay and a random wait; elsewhere if there is another address. */
  | { readonly kind: "reconnect"; readonly why: string; readonly delaySeconds: number; readonly elsewhere: boolean }
  /** The agent has left: end the stream, for good. */
  | { readonly kind: "leave" };
