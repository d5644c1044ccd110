/** The activity feed, followed over broken streams. */

import type { Client as CallsOf } from "@connectrpc/connect";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Event } from "../generated/missioncontrol/v1/event_pb.js";
import {
  type EventFilterSchema,
  type EventService,
  type Reset,
} from "../generated/missioncontrol/v1/event_service_pb.js";
import { WatchEventsRequestSchema } from "../generated/missioncontrol/v1/event_service_pb.js";
import { reopened } from "./reopened_stream.js";

/** Where to begin, what to look at, and whether to go on. */
export interface FeedOptions {
  /** The position after which to begin. Left out: the beginning of what is kept. "head": only what is to come. */
  readonly after?: string;
  /** Which events. An empty namespace is the client's. */
  readonly filter?: MessageInitShape<typeof EventFilterSchema>;
  /** Whether to wait for more when the head was reached. Left out: yes. */
  readonly follow?: boolean;
  /** Ends the feed. */
  readonly signal?: AbortSignal;
}

/** Some events, in order, and the position after them: who keeps it can go on there at any time. */
export interface FeedBatch {
  readonly events: readonly Event[];
  readonly position: string;
  /** Set if the position before could not be continued: what is known must be read anew. The feed goes on from `position`. */
  readonly reset: Reset | undefined;
  /** True on the first batch, and then again, once all events up to the head were given. */
  readonly caughtUp: boolean;
}

/** Every event after a position once, in order, however often the stream breaks. */
export async function* followFeed(
  calls: CallsOf<typeof EventService>,
  namespace: string,
  options: FeedOptions,
): AsyncGenerator<FeedBatch, void> {
  const filter = { ...options.filter, namespace: options.filter?.namespace ?? namespace };
  const follow = options.follow ?? true;
  let position = options.after ?? "";
  const open = (signal: AbortSignal) =>
    calls.watchEvents(create(WatchEventsRequestSchema, { after: position, filter, follow }), { signal });
  for await (const { events, position: next, reset, caughtUp } of reopened(open, {
    endsWithOk: !follow,
    signal: options.signal,
  })) {
    position = next;
    yield { events, position, reset, caughtUp };
  }
}
