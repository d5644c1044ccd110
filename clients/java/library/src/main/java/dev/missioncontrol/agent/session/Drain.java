package dev.missioncontrol.agent.session;

/**
 * Whether the agent takes work, and until when what runs may run on: its own leaving, which is for
 * good, and drains that are ordered, which may be called off.
 */
final class Drain {
  private boolean own;
  private boolean ordered;
  private boolean left;
  private boolean noticeDue;
  private double ownTime = Times.NEVER;
  private double orderedTime = Times.NEVER;
  private double leaveTime = Times.NEVER;
  private double endTime = Times.NEVER;

  /** Whether no work is taken or started. */
  boolean closed() {
    return own || ordered;
  }

  /** Whether the agent leaves. */
  boolean own() {
    return own;
  }

  /** Whether Goodbye was said, or there was nobody to say it to. */
  boolean left() {
    return left;
  }

  /** When work that did not stop is left behind. */
  double leaveTime() {
    return leaveTime;
  }

  /** When time alone changes something, besides {@link #leaveTime}. */
  double nextTime() {
    double last = leaveTime + Limits.GOODBYE_SECONDS;
    return Math.min(Math.min(ownTime, orderedTime), Math.min(endTime, last));
  }

  /** What runs may do so for a while, then it is stopped, and after a while more left behind. */
  void leaveWithin(double now, double drainSeconds, double stopSeconds) {
    noticeDue |= !own;
    own = true;
    ownTime = Math.min(ownTime, now + drainSeconds);
    leaveTime = Math.min(leaveTime, now + drainSeconds + stopSeconds);
  }

  /** A drain was ordered. Repeating it does not make the time longer. */
  void order(double now, double limitSeconds) {
    ordered = true;
    orderedTime = Math.min(orderedTime, now + limitSeconds);
  }

  void resume() {
    ordered = false;
    orderedTime = Times.NEVER;
  }

  /** A new stream: the notice, if any, is said again on it. */
  void welcomed() {
    noticeDue = own;
  }

  /** Whether DrainNotice is to be said now; once. */
  boolean takeNotice() {
    boolean due = noticeDue;
    noticeDue = false;
    return due;
  }

  /** Whether what still runs must stop now; said once for each limit. */
  boolean takeTimeUp(double now) {
    boolean up = now >= Math.min(ownTime, orderedTime);
    ownTime = now >= ownTime ? Times.NEVER : ownTime;
    orderedTime = now >= orderedTime ? Times.NEVER : orderedTime;
    return up;
  }

  /** Whether Goodbye is to be said now; once. */
  boolean takeGoodbye(boolean idle, double now) {
    if (!own || left || !(idle || now >= leaveTime)) {
      return false;
    }
    left = true;
    leaveTime = Times.NEVER;
    endTime = now + Limits.GOODBYE_SECONDS;
    return true;
  }

  /** Whether the stream, if there is one, can end for good; said once. */
  boolean takeLeave(boolean idle, boolean connected, double now) {
    if (left && now >= endTime) {
      endTime = Times.NEVER;
      return true;
    }
    // A coordinator that does not read keeps Goodbye from being sent: it is not waited for either.
    boolean unheard = now >= leaveTime + Limits.GOODBYE_SECONDS;
    boolean alone = !connected && (idle || now >= leaveTime);
    if (!own || left || !(unheard || alone)) {
      return false;
    }
    left = true;
    leaveTime = Times.NEVER;
    return true;
  }
}
