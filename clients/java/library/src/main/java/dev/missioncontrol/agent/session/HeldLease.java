package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.Progress;

/** One lease and what the session knows of it. */
final class HeldLease {
  /** Where a lease stands in the agent. */
  enum Phase {
    /** In the agent's queue. */
    WAITING,
    /** In a slot. */
    RUNNING,
    /** Its last report is made. */
    ENDED
  }

  final Lease lease;
  final LeaseKey key;

  /** Of the set of leases held when this one came: a heartbeat of it, or a later one, names it. */
  final long version;

  final double ttlSeconds;

  /** The time to live runs from here, until an echoed heartbeat names the lease. */
  final double trustedTime;

  Phase phase = Phase.WAITING;

  /** From its delivery until its last report is acknowledged, or it is dropped. */
  boolean held = true;

  StopReason stop;
  double limitTime = Double.POSITIVE_INFINITY;
  Progress progress;
  double progressTime = Double.NEGATIVE_INFINITY;
  boolean progressInFlight;

  /** How many outcomes of it the coordinator called invalid. */
  int refused;

  HeldLease(Lease lease, long version, double trustedTime) {
    this.lease = lease;
    this.key = LeaseKey.of(lease);
    this.version = version;
    this.ttlSeconds = Times.seconds(lease.getTtl());
    this.trustedTime = trustedTime;
  }

  boolean running() {
    return phase == Phase.RUNNING;
  }

  /**
   * Whether its work is to be told so. The first reason stands, since the handler was told it; only
   * a cancel wins over it, being final.
   */
  boolean mayStop(StopReason reason) {
    if (stop == null) {
      return true;
    }
    return switch (stop) {
      case CANCEL, DROPPED -> false;
      default -> reason == StopReason.CANCEL;
    };
  }
}
