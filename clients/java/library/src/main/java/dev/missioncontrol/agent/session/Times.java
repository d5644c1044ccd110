package dev.missioncontrol.agent.session;

import com.google.protobuf.Duration;

/** Durations of the contract as seconds. */
final class Times {
  static final double NEVER = Double.POSITIVE_INFINITY;

  private Times() {}

  static double seconds(Duration duration) {
    return duration.getSeconds() + duration.getNanos() * 1e-9;
  }

  static double orElse(double seconds, double otherwise) {
    return seconds > 0 ? seconds : otherwise;
  }
}
