/**
 * The leases that an agent has: which are held, which run, and in which order those that wait are started.
 *
 * A lease is *held* from its delivery until its last report is acknowledged; held leases are what heartbeats name. It is *busy* from its
 * start until its work has really ended, held or not: a busy lease takes a slot. Times are monotonic seconds that the caller brings.
 */

import { create } from "@bufbuild/protobuf";
import {
  type Lease,
  type LeaseReference,
  LeaseReferenceSchema,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { Progress } from "../../generated/missioncontrol/v1/task_pb.js";
import { secondsOf } from "./duration.js";
import { keyOf, type LeaseKey, StopReason } from "./effect.js";

/** One lease and what the session knows of it. */
export class HeldLease {
  readonly key: LeaseKey;
  readonly ttlSeconds: number;
  phase: "waiting" | "running" | "ended" = "waiting";
  held = true;
  stop: StopReason | undefined;
  progress: Progress | undefined;
  progressTime = -Infinity;
  progressInFlight = false;
  /** How many outcomes of it the coordinator called invalid. */
  refused = 0;

  constructor(
    readonly lease: Lease,
    /** Of the set of leases held, when this one came to it: a heartbeat of this version or a later one names it. */
    readonly version: number,
    /** The time to live runs from here at the earliest, before any echoed heartbeat named the lease. */
    readonly trustedTime: number,
  ) {
    this.key = keyOf(lease);
    this.ttlSeconds = secondsOf(lease.ttl);
  }

  /** Whether it takes a slot. */
  get busy(): boolean {
    return this.phase === "running";
  }

  /**
   * Whether its work is to be told so. The first reason stands, since the work was told it; only a cancel wins over it, being final.
   */
  mayStop(reason: StopReason): boolean {
    return this.stop === undefined || (reason === StopReason.CANCEL && this.stop !== StopReason.DROPPED);
  }
}

/** All leases of the agent. `version` rises by one with each that comes to the held set or goes from it. */
export class LeaseTable {
  version = 0;
  busy = 0;
  held = 0;
  /** Not longer than the time to live of any lease held; exact after `references`. */
  shortestTtl = Infinity;
  /** Busy and not held any more. */
  #lingering = 0;
  readonly #leases = new Map<LeaseKey, HeldLease>();
  readonly #waiting = new Set<HeldLease>();
  readonly #busyTasks = new Set<string>();

  constructor(
    readonly slots: number,
    readonly queueLimit: number,
  ) {}

  /** Every lease, held or busy. A copy: what is done with them may take them off. */
  get all(): HeldLease[] {
    return [...this.#leases.values()];
  }

  /** Those that wait for a slot, oldest first; a copy. */
  get waiting(): HeldLease[] {
    return [...this.#waiting];
  }

  get(key: LeaseKey): HeldLease | undefined {
    return this.#leases.get(key);
  }

  /**
   * Whether one more lease would be more than the agent offered to take. What lingers is no lease any more: one that comes for its slot
   * waits for its end.
   */
  get full(): boolean {
    return this.#load >= this.slots + this.queueLimit;
  }

  get #load(): number {
    return this.#waiting.size + this.busy - this.#lingering;
  }

  /**
   * The waiting leases that cannot stay if so many slots are left: those of tasks that are stuck, and the newest that are too many, all
   * of them if no slot is left.
   */
  surplus(slots: number, stuck: ReadonlySet<string>): HeldLease[] {
    const behind = this.waiting.filter(({ lease }) => stuck.has(lease.taskId));
    const others = this.waiting.filter(({ lease }) => !stuck.has(lease.taskId)).reverse();
    const room = slots > 0 ? slots + this.queueLimit : 0;
    return [...behind, ...others.slice(0, Math.max(0, this.#load - behind.length - room))];
  }

  /** Takes in a lease: held, and nothing else yet. */
  add(lease: Lease, trustedTime: number): HeldLease {
    this.version += 1;
    this.held += 1;
    const held = new HeldLease(lease, this.version, trustedTime);
    this.shortestTtl = Math.min(this.shortestTtl, held.ttlSeconds);
    this.#leases.set(held.key, held);
    return held;
  }

  /** Puts a lease at the end of the agent's queue. */
  wait(lease: HeldLease): void {
    this.#waiting.add(lease);
  }

  /** Gives free slots to waiting leases, oldest first. A task whose earlier work lingers waits for its end. */
  start(): HeldLease[] {
    const chosen: HeldLease[] = [];
    for (const lease of this.#waiting) {
      if (this.busy >= this.slots) break;
      if (this.#busyTasks.has(lease.lease.taskId)) continue;
      this.#waiting.delete(lease);
      this.#busyTasks.add(lease.lease.taskId);
      lease.phase = "running";
      this.busy += 1;
      chosen.push(lease);
    }
    return chosen;
  }

  /** The lease's work is over, or will never start: its slot, or its place in the queue, is free. */
  end(lease: HeldLease): void {
    if (lease.busy) {
      this.busy -= 1;
      this.#busyTasks.delete(lease.lease.taskId);
      if (!lease.held) this.#lingering -= 1;
    }
    this.#waiting.delete(lease);
    lease.phase = "ended";
    if (!lease.held) this.#leases.delete(lease.key);
  }

  /** Takes the lease off the held set. If its work still runs, its slot stays taken until `end`. */
  forget(lease: HeldLease): void {
    if (lease.held) {
      lease.held = false;
      this.version += 1;
      this.held -= 1;
      if (lease.busy) this.#lingering += 1;
    }
    if (!lease.busy) this.end(lease);
  }

  /** The set of leases held, as heartbeats and Hello name it. */
  references(): LeaseReference[] {
    const held = this.all.filter((lease) => lease.held);
    this.shortestTtl = held.reduce((shortest, { ttlSeconds }) => Math.min(shortest, ttlSeconds), Infinity);
    return held.map(({ lease: { taskId, token } }) => create(LeaseReferenceSchema, { taskId, token }));
  }
}
