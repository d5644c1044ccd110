package dev.missioncontrol.agent;

import java.util.random.RandomGenerator;

/** How long to wait between two streams: by chance, so that a fleet does not come at once. */
final class Pause {
  private static final double SECONDS = 0.1;
  private static final double SECONDS_MAX = 3;

  private final RandomGenerator chance;
  private int attempts;

  Pause(RandomGenerator chance) {
    this.chance = chance;
  }

  /** A stream was welcomed. */
  void reset() {
    attempts = 0;
  }

  /** How many streams in a row were not welcomed. */
  int attempts() {
    return attempts;
  }

  /** The next wait, where the coordinator named this jitter last; with each failure more of it. */
  double nextSeconds(double jitterSeconds) {
    attempts++;
    double longest = jitterSeconds;
    if (attempts > 1) {
      // Where leases are short the jitter is, too, and long waits would cost them.
      double most = Math.min(SECONDS_MAX, Math.max(2 * jitterSeconds, SECONDS_MAX / 3));
      longest = Math.min(Math.scalb(SECONDS, Math.min(attempts, 16)), most);
    }
    return chance.nextDouble() * longest;
  }
}
