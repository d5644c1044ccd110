/** What is done with leases: their work is started and stopped, and what becomes of it is reported. Knows no stream. */

import { create } from "@bufbuild/protobuf";
import {
  type Hello,
  type Lease,
  type LeaseReference,
  type Refusal,
  RefusalReason,
  type ReportAck,
  StartedSchema,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { Progress } from "../../generated/missioncontrol/v1/task_pb.js";
import { secondsOf } from "./duration.js";
import { type Effect, keyOf, type LeaseKey, StopReason } from "./effect.js";
import { type HeldLease, LeaseTable } from "./lease_table.js";
import { UNACKNOWLEDGED_BYTES_MAX } from "./limits.js";
import { Lingering } from "./lingering.js";
import { finalReport, type Outcome, rejected, replacement, type ReportEvent, returned, STOPPED } from "./outcome.js";
import { ProgressNotes } from "./progress_notes.js";
import { isOutcome, type ReportEntry, ReportLog } from "./report_log.js";

const RECALLED = "recalled";
const STUCK = "the agent's slots are held by work that does not stop";

/** Everything that is the same on every stream. Times are monotonic seconds that the caller brings. */
export class LeaseWork {
  readonly leases: LeaseTable;
  readonly reports = new ReportLog();
  readonly progressNotes = new ProgressNotes(this.reports);
  readonly lingering = new Lingering();
  readonly effects: Effect[] = [];
  readonly #kinds: ReadonlySet<string>;
  /** When work that runs reaches its time limit. */
  readonly #runLimits = new Map<HeldLease, number>();

  constructor(hello: Hello) {
    this.leases = new LeaseTable(hello.slots, hello.queueLimit);
    this.#kinds = new Set(hello.kinds);
  }

  /** Whether nothing runs and nothing is left to say. */
  get idle(): boolean {
    return this.leases.busy === 0 && this.leases.held === 0;
  }

  /** Takes in a new lease: puts it into the queue, or refuses it. */
  take(lease: Lease, trustedTime: number, closed: boolean): HeldLease {
    const full = this.leases.full;
    const held = this.leases.add(lease, trustedTime);
    const kind = lease.spec?.kind ?? "";
    if (closed) this.#giveBack(held, StopReason.DRAIN);
    else if (!this.#kinds.has(kind)) this.#end(held, rejected(`no handler for the kind ${kind}`));
    else if (this.lingering.toldTasks.has(lease.taskId)) this.#end(held, rejected(STUCK));
    else if (full) this.#end(held, rejected("all slots and places in the queue are taken"));
    else this.leases.wait(held);
    return held;
  }

  /** Starts what slots are free for, unless too much of what was done before is still to be acknowledged. */
  start(now: number): void {
    if (this.reports.unacknowledgedBytes >= UNACKNOWLEDGED_BYTES_MAX) return;
    for (const held of this.leases.start()) {
      this.reports.add(held, { case: "started", value: create(StartedSchema) });
      const limit = held.lease.runTimeLimit;
      if (limit !== undefined) this.#runLimits.set(held, now + secondsOf(limit));
      this.effects.push({ kind: "start", lease: held.lease });
    }
  }

  /** The work got further. */
  progressed(key: LeaseKey, progress: Progress): void {
    const lease = this.leases.get(key);
    if (lease?.held === true && lease.busy) this.progressNotes.note(lease, progress);
  }

  /** The work has ended, in whatever way. Its slot is free. */
  ended(key: LeaseKey, outcome: Outcome, now: number): void {
    const lease = this.leases.get(key);
    if (lease?.busy !== true) return;
    this.progressNotes.finish(lease, now);
    this.#end(lease, finalReport(outcome, lease.stop));
  }

  /** Takes in what the coordinator has judged. */
  acknowledged(ack: ReportAck, now: number): void {
    const refusals = new Map(ack.refusals.map((refusal) => [refusal.number, refusal]));
    for (const entry of this.reports.acknowledged(ack.number)) {
      const refusal = refusals.get(entry.report.number);
      if (refusal === undefined) this.#accepted(entry, now);
      else this.#refused(entry, refusal, now);
    }
  }

  #accepted(entry: ReportEntry, now: number): void {
    const lease = this.leases.get(entry.key);
    if (lease === undefined) return;
    if (isOutcome(entry)) this.leases.forget(lease);
    else if (entry.report.event.case === "progress") this.progressNotes.acknowledged(lease, now);
  }

  #refused(entry: ReportEntry, refusal: Refusal, now: number): void {
    const lease = this.leases.get(entry.key);
    if (lease === undefined) return;
    if (refusal.reason !== RefusalReason.INVALID) this.drop(entry.key, now);
    else if (!isOutcome(entry)) this.#accepted(entry, now);
    else if (lease.refused >= 2) this.drop(entry.key, now);
    else {
      lease.refused += 1;
      this.reports.add(lease, replacement(lease.refused, refusal.message));
    }
  }

  /** The lease is somebody else's: its work stops, and nothing is said of it. */
  drop(key: LeaseKey, now: number): void {
    const lease = this.leases.get(key);
    if (lease?.held !== true) return;
    this.progressNotes.forget(lease);
    this.leases.forget(lease);
    if (!lease.busy) return;
    lease.stop = StopReason.DROPPED;
    this.lingering.begin(lease.lease, now);
    this.effects.push({ kind: "stop", key, reason: StopReason.DROPPED });
  }

  /** The task of each of these was cancelled. */
  cancel(references: readonly LeaseReference[]): void {
    for (const lease of this.#held(references)) this.#stop(lease, StopReason.CANCEL);
  }

  /** Each of these goes back if it has not started. */
  recall(references: readonly LeaseReference[]): void {
    for (const lease of this.#held(references)) {
      if (lease.phase === "waiting") this.#giveBack(lease, RECALLED);
    }
  }

  #held(references: readonly LeaseReference[]): HeldLease[] {
    return references.map((each) => this.leases.get(keyOf(each))).filter((lease) => lease !== undefined);
  }

  /** Everything that has not started goes back. */
  giveBackWaiting(): void {
    for (const lease of this.leases.waiting) this.#giveBack(lease, StopReason.DRAIN);
  }

  /** What waits for slots that work without a lease has goes back. */
  giveBackSurplus(slotsLeft: number): void {
    for (const lease of this.leases.surplus(slotsLeft, this.lingering.toldTasks)) this.#giveBack(lease, STUCK);
  }

  /** Everything that runs is told to stop. */
  stopAll(reason: StopReason): void {
    for (const lease of this.leases.all) this.#stop(lease, reason);
  }

  /** Stops what has run into its time limit. */
  stopOverdue(now: number): void {
    for (const [lease, limit] of this.#runLimits) {
      if (now < limit) continue;
      this.#runLimits.delete(lease);
      this.#stop(lease, StopReason.TIMEOUT);
    }
  }

  /** When `stopOverdue` has something to do. */
  get overdueTime(): number {
    return [...this.#runLimits.values()].reduce((first, time) => Math.min(first, time), Infinity);
  }

  /** Stops what is held beyond the time that `until` says of it; returns the first of the other times. */
  stopUnrenewed(now: number, until: (lease: HeldLease) => number): number {
    let next = Infinity;
    for (const lease of this.leases.all) {
      if (!lease.held || lease.phase === "ended" || lease.stop === StopReason.LOST) continue;
      if (now >= until(lease)) this.#stop(lease, StopReason.LOST);
      else next = Math.min(next, until(lease));
    }
    return next;
  }

  #stop(lease: HeldLease, reason: StopReason): void {
    if (lease.phase === "waiting") {
      this.#end(lease, finalReport(STOPPED, reason));
    } else if (lease.busy && lease.mayStop(reason)) {
      lease.stop = reason;
      this.effects.push({ kind: "stop", key: lease.key, reason });
    }
  }

  #giveBack(lease: HeldLease, why: string): void {
    this.#end(lease, returned(why));
  }

  #end(lease: HeldLease, report: ReportEvent | undefined): void {
    this.leases.end(lease);
    this.lingering.end(lease.key);
    this.#runLimits.delete(lease);
    if (lease.held && report !== undefined) this.reports.add(lease, report);
  }
}
