package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Lease;

/** What the session asks its surroundings to do. Each is given once, in order. */
public sealed interface Effect {
  /** Start this work: a slot is free for it. {@link Session#ended} follows, in whatever way. */
  record Start(LeaseKey key, Lease lease) implements Effect {}

  /** Stop this work, which has started and not ended. {@link Session#ended} follows. */
  record Stop(LeaseKey key, StopReason reason) implements Effect {}

  /**
   * Drop this stream and open another.
   *
   * @param delaySeconds wait so long before, and a random time besides
   * @param elsewhere at another address if there is one
   */
  record Reconnect(String why, double delaySeconds, boolean elsewhere) implements Effect {}

  /** The drain is over: end the stream, for good. */
  record Leave() implements Effect {}
}
