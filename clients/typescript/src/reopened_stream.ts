/** Streams of answers that outlive a break: opened again, with a growing wait, until an outage is too long. */

import { CallError, Code } from "./call_error.js";
import { LinkedSignal } from "./linked_signal.js";
import { OUTAGE_SECONDS, STREAM_OPEN_SECONDS } from "./limits.js";
import { backoffSeconds, pause } from "./pause.js";

/** Opens the stream from where its reader is by now. */
export type Open<T> = (signal: AbortSignal) => AsyncIterable<T>;

/**
 * The messages of one stream after another. An end without an error ends this, too, if `endsWithOk`; otherwise it counts as a break.
 * Throws a CallError if the service refuses, or if it was away for so long that somebody should know. Ends when the signal comes.
 */
export async function* reopened<T>(
  open: Open<T>,
  options: { endsWithOk: boolean; signal?: AbortSignal | undefined },
): AsyncGenerator<T, void> {
  const stopped = () => options.signal?.aborted === true;
  let [lostTime, heard] = [performance.now(), false];
  for (let failures = 0; !stopped(); failures++) {
    let error: CallError;
    try {
      for await (const message of once(open, options.signal)) {
        [heard, failures] = [true, 0];
        yield message;
      }
      if (options.endsWithOk) return;
      error = new CallError(Code.Unavailable, "the stream ended too early");
    } catch (thrown) {
      error = CallError.from(thrown);
    }
    if (stopped()) return;
    // It may have had nothing to say for hours: the outage begins with the break.
    if (heard) [lostTime, heard] = [performance.now(), false];
    if (error.final || performance.now() - lostTime > OUTAGE_SECONDS * 1000) throw error;
    await pause(backoffSeconds(failures), options.signal);
  }
}

/** One stream, which ends with its reader, and which is given up if it does not begin. */
async function* once<T>(open: Open<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void> {
  const link = new LinkedSignal(signal);
  const timer = setTimeout(() => {
    link.abort(new CallError(Code.Unavailable, "no answer in time"));
  }, STREAM_OPEN_SECONDS * 1000);
  try {
    for await (const message of open(link.signal)) {
      clearTimeout(timer);
      yield message;
    }
  } finally {
    clearTimeout(timer);
    link.abort();
    link.release();
  }
}
