/** Whether the agent takes work, and until when what runs may run on: its own leaving, and drains that were ordered. */

import { GOODBYE_SECONDS } from "./limits.js";

/** What of the agent matters for its leaving. */
export interface Standing {
  /** Nothing runs and nothing is left to say. */
  readonly idle: boolean;
  readonly connected: boolean;
}

/** `own`: the agent leaves, for good. `ordered`: the coordinator wants it empty, and may call that off. */
export class Drain {
  own = false;
  noticeDue = false;
  /** Goodbye was said, or there was nobody to say it to. */
  left = false;
  /** When work that did not stop is left behind. */
  leaveTime = Infinity;
  #ordered = false;
  #ownTime = Infinity;
  #orderedTime = Infinity;
  #endTime = Infinity;

  /** Whether no work is started or taken. */
  get closed(): boolean {
    return this.own || this.#ordered;
  }

  /** When time alone changes something, besides `leaveTime`. */
  get nextTime(): number {
    return Math.min(this.#ownTime, this.#orderedTime, this.#endTime, this.leaveTime + GOODBYE_SECONDS);
  }

  /** The agent leaves: what runs may do so for `drainSeconds`; after `leaveSeconds` more it is left behind. */
  leaveWithin(now: number, drainSeconds: number, leaveSeconds: number): void {
    this.noticeDue ||= !this.own;
    this.own = true;
    this.#ownTime = Math.min(this.#ownTime, now + drainSeconds);
    this.leaveTime = Math.min(this.leaveTime, now + drainSeconds + leaveSeconds);
  }

  /** A drain was ordered. Repeating it does not make the time longer. */
  order(now: number, limitSeconds: number): void {
    this.#ordered = true;
    this.#orderedTime = Math.min(this.#orderedTime, now + limitSeconds);
  }

  /** The ordered drain is called off. */
  resume(): void {
    this.#ordered = false;
    this.#orderedTime = Infinity;
  }

  /** Whether what still runs must stop now; said once for each limit. */
  timeIsUp(now: number): boolean {
    const up = now >= Math.min(this.#ownTime, this.#orderedTime);
    if (now >= this.#ownTime) this.#ownTime = Infinity;
    if (now >= this.#orderedTime) this.#orderedTime = Infinity;
    return up;
  }

  /** What the last message says, once nothing is left to do, or the time for leaving is over; undefined before. */
  goodbye({ idle }: Standing, now: number): string | undefined {
    if (!this.own || this.left || !(idle || now >= this.leaveTime)) return undefined;
    this.left = true;
    this.leaveTime = Infinity;
    this.#endTime = now + GOODBYE_SECONDS;
    return idle ? "the agent leaves" : "the agent leaves; some work did not stop in time";
  }

  /** Whether the stream, if there is one, can end for good: after Goodbye, or without one if nobody hears it. Said once. */
  leaves({ idle, connected }: Standing, now: number): boolean {
    if (this.left && now >= this.#endTime) {
      this.#endTime = Infinity;
      return true;
    }
    // A coordinator that does not read keeps Goodbye from being sent: it is not waited for either.
    const unheard = now >= this.leaveTime + GOODBYE_SECONDS;
    if (!this.own || this.left || !(unheard || (!connected && (idle || now >= this.leaveTime)))) return false;
    this.left = true;
    this.leaveTime = Infinity;
    return true;
  }
}
