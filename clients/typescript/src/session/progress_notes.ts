/** Progress of leases on its way into the report log: the newest of each, not too often, one unacknowledged at a time. */

import type { Progress } from "../../generated/missioncontrol/v1/task_pb.js";
import type { HeldLease } from "./lease_table.js";
import { PROGRESS_SECONDS } from "./limits.js";
import type { ReportLog } from "./report_log.js";

/** The leases that have something to say besides their start and their end. */
export class ProgressNotes {
  /** When `flush` may have something to send; not later than that. */
  dueTime = Infinity;
  /** In the order in which they were noted. */
  readonly #pending = new Set<HeldLease>();

  readonly #reports: ReportLog;

  constructor(reports: ReportLog) {
    this.#reports = reports;
  }

  /** Keeps the newest progress. */
  note(lease: HeldLease, progress: Progress): void {
    lease.progress = progress;
    this.#pending.add(lease);
    if (!lease.progressInFlight) this.dueTime = Math.min(this.dueTime, lease.progressTime + PROGRESS_SECONDS);
  }

  /** A progress was judged: the next one may go. */
  acknowledged(lease: HeldLease, now: number): void {
    lease.progressInFlight = false;
    if (this.#pending.has(lease)) this.dueTime = Math.min(this.dueTime, now);
  }

  /** Puts into the log what may go now. */
  flush(now: number): void {
    if (now < this.dueTime) return;
    this.dueTime = Infinity;
    for (const lease of this.#pending) {
      this.#put(lease, now);
      if (lease.progress === undefined) this.#pending.delete(lease);
      else if (!lease.progressInFlight) this.dueTime = Math.min(this.dueTime, lease.progressTime + PROGRESS_SECONDS);
    }
  }

  /** The lease's work ends: its last progress goes before its outcome, if it is due. */
  finish(lease: HeldLease, now: number): void {
    if (lease.held) this.#put(lease, now);
    this.forget(lease);
  }

  /** The lease has nothing more to say. */
  forget(lease: HeldLease): void {
    lease.progress = undefined;
    this.#pending.delete(lease);
  }

  #put(lease: HeldLease, now: number): void {
    if (lease.progress === undefined || lease.progressInFlight || now < lease.progressTime + PROGRESS_SECONDS) return;
    this.#reports.add(lease, { case: "progress", value: lease.progress });
    [lease.progress, lease.progressInFlight, lease.progressTime] = [undefined, true, now];
  }
}
