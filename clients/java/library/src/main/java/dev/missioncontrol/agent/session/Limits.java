package dev.missioncontrol.agent.session;

/** Every bound of the session by name, with its reason. */
final class Limits {
  /** The contract's bounds of one message. */
  static final int BATCH_ITEMS_MAX = 128;

  static final int BATCH_BYTES_MAX = 256 * 1024;

  /** No Welcome for so long: the address is taken for dead, and the next one is tried. */
  static final double WELCOME_SECONDS = 10;

  /** Used until a Welcome names its own. */
  static final double HEARTBEAT_SECONDS = 5;

  static final double ECHO_SECONDS = 12;
  static final double JITTER_SECONDS = 0.1;

  /** In the shortest time to live of a lease held. The contract says six; threads wake late. */
  static final double HEARTBEATS_PER_TTL = 7;

  /** A coordinator that is further behind has not answered for longer than the echo timeout. */
  static final int UNECHOED_MAX = 1024;

  /** The rest of the time to live is for the coordinator's clock. */
  static final double SELF_STOP_PART = 2.0 / 3;

  /** A lease that arrives is trusted for this part before any heartbeat has named it. */
  static final double UNCONFIRMED_PART = 1.0 / 3;

  /** A receipt waits for so long for a report that can say the same. */
  static final double RECEIPT_SECONDS = 0.02;

  /** The coordinator records progress once a second; more would only be thrown away there. */
  static final double PROGRESS_SECONDS = 1;

  /** With more than this unacknowledged no further work is started, so that memory is bounded. */
  static final long UNACKNOWLEDGED_BYTES_MAX = 64L * 1024 * 1024;

  /** Work whose lease is gone may take so long to stop before the coordinator is told of it. */
  static final double LINGERING_SECONDS = 6;

  /** The coordinator ends the stream after a Goodbye; it is not waited for longer than this. */
  static final double GOODBYE_SECONDS = 2;

  /** Affinity keys that Hello may name. */
  static final int WARM_KEYS_MAX = 64;

  private Limits() {}
}
