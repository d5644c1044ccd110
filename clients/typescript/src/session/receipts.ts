/** Which batches of leases arrived and were not confirmed yet. Of one stream. */

import { RECEIPT_PAUSE_SECONDS } from "./limits.js";

/** A receipt waits for a moment, so that reports that come anyway can say it. */
export class Receipts {
  /** When it has to be said by itself. */
  dueTime = Infinity;
  #arrived = 0n;
  #confirmed = 0n;

  /** The batch with this number is here, and so are all before it. */
  arrived(batch: bigint, now: number): void {
    this.#arrived = batch;
    this.dueTime = Math.min(this.dueTime, now + RECEIPT_PAUSE_SECONDS);
  }

  /** The newest batch, for the message that confirms it; 0 if there is nothing new to say. */
  take(): bigint {
    this.dueTime = Infinity;
    if (this.#confirmed === this.#arrived) return 0n;
    return (this.#confirmed = this.#arrived);
  }
}
