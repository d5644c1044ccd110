/**
 * Work whose lease is gone and that does not stop: it has a slot which the coordinator takes for free.
 *
 * For a moment that is as it should be, since work that is told to stop needs one; a lease that comes for the slot waits. What takes
 * longer is told to the coordinator, in the way in which it learns all else of an agent, by Hello: the agent connects again with fewer
 * slots, and once more when the work has ended.
 */

import type { Hello, Lease } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { keyOf, type LeaseKey } from "./effect.js";
import { LINGERING_SECONDS } from "./limits.js";

/** What lingers, and what of it the last Hello told. */
export class Lingering {
  /** With the time from which it counts as lingering. */
  readonly #leases = new Map<LeaseKey, { readonly time: number; readonly lease: Lease }>();
  #told: ReadonlyMap<LeaseKey, Lease> = new Map();

  /** The lease is gone, its work was told to stop. */
  begin(lease: Lease, now: number): void {
    if (!this.#leases.has(keyOf(lease))) this.#leases.set(keyOf(lease), { time: now + LINGERING_SECONDS, lease });
  }

  /** Its work has ended. */
  end(key: LeaseKey): void {
    this.#leases.delete(key);
  }

  /** Whether the coordinator should be told anew. */
  changed(now: number): boolean {
    const overdue = this.#overdue(now);
    return overdue.size !== this.#told.size || [...overdue.keys()].some((key) => !this.#told.has(key));
  }

  /** When time alone makes it so. */
  get dueTime(): number {
    const times = [...this.#leases].filter(([key]) => !this.#told.has(key)).map(([, { time }]) => time);
    return times.reduce((first, time) => Math.min(first, time), Infinity);
  }

  /** The tasks whose earlier work was told to linger: a new lease of one could not start here. */
  get toldTasks(): ReadonlySet<string> {
    return new Set([...this.#told.values()].map((lease) => lease.taskId));
  }

  /** Takes off Hello what is not there to be used; how many slots are left. None left is a drain. */
  tell(hello: Hello, now: number): number {
    this.#told = this.#overdue(now);
    const left = hello.slots - this.#told.size;
    if (left > 0) hello.slots = left;
    else hello.draining = true;
    for (const lease of this.#told.values()) takeOff(hello, lease.spec?.requirements?.resources ?? {});
    return left;
  }

  #overdue(now: number): ReadonlyMap<LeaseKey, Lease> {
    return new Map([...this.#leases].filter(([, { time }]) => now >= time).map(([key, { lease }]) => [key, lease]));
  }
}

function takeOff(hello: Hello, resources: Readonly<Record<string, number>>): void {
  for (const [name, amount] of Object.entries(resources)) {
    const declared = hello.resources[name];
    if (declared !== undefined) hello.resources[name] = Math.max(0, declared - amount);
  }
}
