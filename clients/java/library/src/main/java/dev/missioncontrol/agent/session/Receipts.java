package dev.missioncontrol.agent.session;

/** Which batches of leases arrived on a stream and were not confirmed yet. */
final class Receipts {
  private double dueTime = Times.NEVER;
  private long arrived;
  private long confirmed;

  /** When it has to be said by a message of its own. */
  double dueTime() {
    return dueTime;
  }

  /** The batch with this number is here, and so are all before it. */
  void arrived(long batch, double now) {
    arrived = batch;
    dueTime = Math.min(dueTime, now + Limits.RECEIPT_SECONDS);
  }

  /** The newest batch, for the message that confirms it; 0 if there is nothing new to say. */
  long take() {
    dueTime = Times.NEVER;
    long news = arrived == confirmed ? 0 : arrived;
    confirmed = arrived;
    return news;
  }
}
