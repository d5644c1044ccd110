/** What a handler sees of its task: what to do, how to report, and whether it is to stop. */

import { create } from "@bufbuild/protobuf";
import type { Lease } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { type Progress, ProgressSchema } from "../../generated/missioncontrol/v1/task_pb.js";
import { decodePayload } from "../payload.js";
import type { StopReason } from "../session/effect.js";
import { NOTE_BYTES_MAX } from "../session/limits.js";
import { clip } from "../session/text.js";

/** Why a signal was aborted: the reason of its `signal.reason`. */
export class WorkStopped extends Error {
  override readonly name = "WorkStopped";

  constructor(readonly reason: StopReason) {
    super(reason);
  }
}

/** One attempt at a task. */
export class TaskContext {
  readonly #report: (progress: Progress) => void;

  constructor(
    /** All that there is to know for it: the spec, how often it failed before, the last checkpoint, … */
    readonly lease: Lease,
    /** Aborted, with a WorkStopped, when the work is to stop: it must end soon, and keeps its slot until it has. */
    readonly signal: AbortSignal,
    report: (progress: Progress) => void,
  ) {
    this.#report = report;
  }

  /** The task's id. */
  get taskId(): string {
    return this.lease.taskId;
  }

  /** The number of this attempt, from 1; also the token that fences it. */
  get attempt(): bigint {
    return this.lease.token;
  }

  /** The input as bytes. */
  get bytes(): Uint8Array {
    return this.lease.spec?.payload?.data ?? new Uint8Array();
  }

  /** The input as JSON says it; undefined if it is empty. Throws what decodePayload throws. */
  json(): unknown {
    return decodePayload(this.lease.spec?.payload);
  }

  /**
   * How far the work is: `fraction` between 0 and 1, or undefined if nobody knows, and a line for people. As often as you like: the newest
   * goes out, at most once a second.
   */
  progress(fraction: number | undefined, message = ""): void {
    const known =
      fraction === undefined || Number.isNaN(fraction) ? {} : { fraction: Math.min(1, Math.max(0, fraction)) };
    this.#report(create(ProgressSchema, { ...known, message: clip(message, NOTE_BYTES_MAX) }));
  }
}
