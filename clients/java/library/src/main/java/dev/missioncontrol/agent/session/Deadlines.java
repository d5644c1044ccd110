package dev.missioncontrol.agent.session;

/**
 * When to look at all leases again. Each time is the earliest that was asked for; a lease that has
 * ended, or was renewed, meanwhile costs one look for nothing.
 */
final class Deadlines {
  private double unrenewed = Times.NEVER;
  private double limit = Times.NEVER;

  double unrenewedTime() {
    return unrenewed;
  }

  double limitTime() {
    return limit;
  }

  double nextTime() {
    return Math.min(unrenewed, limit);
  }

  /** A lease may have to be stopped then, since no heartbeat of it came back. */
  void unrenewed(double time) {
    unrenewed = Math.min(unrenewed, time);
  }

  /** Work reaches its time limit then. */
  void limit(double time) {
    limit = Math.min(limit, time);
  }

  void clearUnrenewed() {
    unrenewed = Times.NEVER;
  }

  void clearLimit() {
    limit = Times.NEVER;
  }
}
