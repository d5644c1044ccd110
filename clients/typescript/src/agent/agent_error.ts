/** Why an agent must end, and how a handler says that its work failed. */

import { FailureReason } from "../../generated/missioncontrol/v1/task_pb.js";

/** A newer process has this agent's id: this one must not come back. Exit code 70, by convention. */
export class AgentSuperseded extends Error {
  override readonly name = "AgentSuperseded";
}

/** The coordinator does not take this agent, and would not later. Exit code 78, by convention. */
export class AgentRefused extends Error {
  override readonly name = "AgentRefused";
}

/** What a TaskFailure may say besides its message. */
export interface TaskFailureOptions extends ErrorOptions {
  /** The application's own name for it; retry policies select on it. */
  readonly code?: string;
  /** Whether trying again is pointless, whatever the policy says. */
  readonly permanent?: boolean;
  /** The class of the failure. Left out: ERROR. */
  readonly reason?: FailureReason;
}

/** Thrown by a handler: its work failed. Any other error does as well, and says less. */
export class TaskFailure extends Error {
  override readonly name = "TaskFailure";
  readonly code: string;
  readonly permanent: boolean;
  readonly reason: FailureReason;

  constructor(message: string, options: TaskFailureOptions = {}) {
    super(message, options);
    this.code = options.code ?? "";
    this.permanent = options.permanent ?? false;
    this.reason = options.reason ?? FailureReason.ERROR;
  }
}
