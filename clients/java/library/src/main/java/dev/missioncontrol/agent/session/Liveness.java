package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Heartbeat;
import dev.missioncontrol.v1.HeartbeatEcho;
import dev.missioncontrol.v1.Welcome;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * When heartbeats are due, which of them came back, and until when that proves a lease. What was
 * echoed outlives a stream, since leases do.
 */
final class Liveness {
  private record Sent(long number, double time, long version) {}

  private static final long NONE = -1;

  private final Deque<Sent> unechoed = new ArrayDeque<>();
  private double intervalSeconds = Limits.HEARTBEAT_SECONDS;
  private double echoSeconds = Limits.ECHO_SECONDS;
  private double jitterSeconds = Limits.JITTER_SECONDS;
  private boolean welcomed;
  private long number;
  private double sentTime;
  private double heardTime = Times.NEVER;

  /** The version of the set that the coordinator has of this stream. */
  private long streamVersion = NONE;

  /** When the last heartbeat, or Hello, that was answered was sent, and the version it had. */
  private double echoedTime = Double.NEGATIVE_INFINITY;

  private long echoedVersion = NONE;

  /** A Hello that names the set of this version is sent on a new stream. */
  void begin(long version, double now) {
    welcomed = false;
    number = 0;
    sentTime = now;
    heardTime = now;
    streamVersion = NONE;
    unechoed.clear();
    unechoed.add(new Sent(0, now, version));
  }

  /** The Hello was answered: it counts as the stream's first heartbeat. */
  void welcome(Welcome welcome, double now) {
    welcomed = true;
    heardTime = now;
    intervalSeconds =
        Times.orElse(Times.seconds(welcome.getHeartbeatInterval()), Limits.HEARTBEAT_SECONDS);
    echoSeconds = Times.orElse(Times.seconds(welcome.getEchoTimeout()), Limits.ECHO_SECONDS);
    jitterSeconds = Times.seconds(welcome.getReconnectJitterMax());
    Sent hello = unechoed.remove();
    echoedTime = hello.time;
    echoedVersion = hello.version;
  }

  /** The stream is gone: nothing is due on it. */
  void end() {
    welcomed = false;
    heardTime = Times.NEVER;
  }

  boolean welcomed() {
    return welcomed;
  }

  double jitterSeconds() {
    return jitterSeconds;
  }

  double echoedTime() {
    return echoedTime;
  }

  /** From when the time to live of a lease runs. */
  double renewedTime(HeldLease lease) {
    return lease.version <= echoedVersion
        ? Math.max(lease.trustedTime, echoedTime)
        : lease.trustedTime;
  }

  /** When the next heartbeat is due. */
  double heartbeatTime(double shortestTtl) {
    if (!welcomed || unechoed.size() >= Limits.UNECHOED_MAX) {
      return Times.NEVER;
    }
    return sentTime + Math.min(intervalSeconds, shortestTtl / Limits.HEARTBEATS_PER_TTL);
  }

  /** The next heartbeat, sent now. The caller fills in the set where {@code held_included} is. */
  Heartbeat.Builder heartbeat(long version, double now) {
    number++;
    sentTime = now;
    unechoed.add(new Sent(number, now, version));
    return Heartbeat.newBuilder()
        .setNumber(number)
        .setHeldVersion(version)
        .setHeldIncluded(version != streamVersion);
  }

  /** A heartbeat came back; those before it that did not are no proof of anything. */
  void echo(HeartbeatEcho echo, double now) {
    while (!unechoed.isEmpty() && unechoed.element().number <= echo.getNumber()) {
      Sent sent = unechoed.remove();
      if (sent.number == echo.getNumber() && sent.version == echo.getHeldVersion()) {
        heardTime = now;
        streamVersion = sent.version;
        echoedTime = sent.time;
        echoedVersion = sent.version;
      }
    }
  }

  /** When the stream counts as broken, unless something is heard before. */
  double silenceTime() {
    return heardTime + (welcomed ? echoSeconds : Limits.WELCOME_SECONDS);
  }
}
