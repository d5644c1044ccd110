/** Waiting that can be cut short. */

import { setTimeout as sleep } from "node:timers/promises";
import { BACKOFF_SECONDS, BACKOFF_SECONDS_MAX } from "./limits.js";

/** Waits; ends early, without an error, when the signal comes. */
export async function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(seconds * 1000, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Whoever waited looks at the signal.
  }
}

/** The wait after so many tries that failed: it doubles, with full jitter, so that many clients do not come at once. */
export function backoffSeconds(failures: number): number {
  return Math.random() * Math.min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2 ** Math.min(failures, 10));
}
