/** Request ids, which make a write safe to repeat: the same id always means the same write. */

import { randomUUID } from "node:crypto";

/** The request with an id in each place for one that is empty. All tries of one call then say the same id. */
export function withRequestId<T>(request: T): T {
  if (typeof request !== "object" || request === null) return request;
  const parts: Record<string, unknown> = {};
  if ("requestId" in request && request.requestId === "") parts.requestId = randomUUID();
  if ("requests" in request && Array.isArray(request.requests)) parts.requests = request.requests.map(withRequestId);
  return { ...request, ...parts };
}
