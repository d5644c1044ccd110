/** Times of the contract as numbers. */

import type { Duration } from "@bufbuild/protobuf/wkt";

/** A Duration in seconds; 0 if there is none. */
export function secondsOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) + duration.nanos * 1e-9;
}
