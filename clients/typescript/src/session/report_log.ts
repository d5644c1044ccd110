/**
 * The reports that no coordinator has acknowledged yet: numbered, kept, sent in bounded batches, and sent again.
 *
 * Nothing here knows what a report means, but for one thing: a start that was not sent before the work has succeeded or failed need not
 * be said, since the outcome says it, too. Short work then takes one report instead of two.
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { type Report, ReportSchema } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { LeaseKey } from "./effect.js";
import type { HeldLease } from "./lease_table.js";
import { BATCH_BYTES_MAX, BATCH_ITEMS_MAX } from "./limits.js";
import type { ReportEvent } from "./outcome.js";

/** One report, and the lease that it is about. */
export interface ReportEntry {
  readonly key: LeaseKey;
  readonly report: Report;
  size: number;
}

/** Whether it is the last word on its lease. */
export function isOutcome({ report }: ReportEntry): boolean {
  return !["started", "progress", "checkpoint"].includes(report.event.case ?? "");
}

/** Reports in the order of their numbers: first those sent on this stream, then those still to be sent. */
export class ReportLog {
  unacknowledgedBytes = 0;
  #lastNumber = 0n;
  #sent: ReportEntry[] = [];
  #unsent: ReportEntry[] = [];
  /** Starts that are unsent, and the last word on their lease. */
  readonly #starts = new Map<LeaseKey, ReportEntry>();

  /** Appends a report with the next number; an outcome takes the place of its lease's start, if that is unsent. */
  add({ key, lease: { taskId, token } }: HeldLease, event: ReportEvent): void {
    const start = this.#starts.get(key);
    this.#starts.delete(key);
    if (start !== undefined && (event.case === "succeeded" || event.case === "failed")) {
      this.#fill(start, event);
      return;
    }
    this.#lastNumber += 1n;
    const entry = { key, report: create(ReportSchema, { number: this.#lastNumber, taskId, token }), size: 0 };
    this.#fill(entry, event);
    this.#unsent.push(entry);
    if (event.case === "started") this.#starts.set(key, entry);
  }

  #fill(entry: ReportEntry, event: ReportEvent): void {
    entry.report.event = event;
    const size = toBinary(ReportSchema, entry.report).length;
    this.unacknowledgedBytes += size - entry.size;
    entry.size = size;
  }

  /** A new stream: everything that is not acknowledged is to be sent again, in order, with the same numbers. */
  rewind(): void {
    this.#unsent = [...this.#sent, ...this.#unsent];
    this.#sent = [];
  }

  /** The next reports to send, within the bounds of a message; a report that is larger than that goes alone. None: empty. */
  nextBatch(): Report[] {
    let count = 0;
    let bytes = 0;
    for (const { size } of this.#unsent.slice(0, BATCH_ITEMS_MAX)) {
      bytes += size;
      if (count > 0 && bytes > BATCH_BYTES_MAX) break;
      count += 1;
    }
    const batch = this.#unsent.splice(0, count);
    for (const { key } of batch) this.#starts.delete(key);
    this.#sent.push(...batch);
    return batch.map(({ report }) => report);
  }

  /**
   * Takes off, and returns, every report up to this number. One that was not sent on this stream counts too: an earlier stream's
   * acknowledgement may have been lost, and the coordinator tells how far it is.
   */
  acknowledged(number: bigint): ReportEntry[] {
    const judged = ({ report }: ReportEntry) => report.number <= number;
    const done = [...this.#sent.filter(judged), ...this.#unsent.filter(judged)];
    this.#sent = this.#sent.filter((entry) => !judged(entry));
    this.#unsent = this.#unsent.filter((entry) => !judged(entry));
    for (const entry of done) {
      this.unacknowledgedBytes -= entry.size;
      // It is gone, so no outcome can take its place.
      if (this.#starts.get(entry.key) === entry) this.#starts.delete(entry.key);
    }
    return done;
  }
}
