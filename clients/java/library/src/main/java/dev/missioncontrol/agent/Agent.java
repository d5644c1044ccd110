package dev.missioncontrol.agent;

import dev.missioncontrol.client.Addresses;
import dev.missioncontrol.v1.Hello;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/** An agent: runs the tasks that coordinators give it, until it is told to leave. */
public final class Agent {
  private static final int PROTOCOL_VERSION = 1;

  /** Work that was told to stop at the end of a drain is left behind after this. */
  private static final Duration STOP_TIME = Duration.ofSeconds(8);

  private final Connection connection;

  /**
   * An agent without TLS.
   *
   * @param addresses coordinators, separated by commas; more are learned from them
   * @param description who the agent is and what it offers: agent_id and slots, and what else fits.
   *     Protocol versions, incarnation, kinds, SDK and host are filled in
   * @param handlers by kind of task
   */
  public Agent(String addresses, Hello description, Map<String, Handler> handlers) {
    this(addresses, description, handlers, InsecureChannelCredentials.create());
  }

  /** The same with credentials, such as those of {@link io.grpc.TlsChannelCredentials}. */
  public Agent(
      String addresses,
      Hello description,
      Map<String, Handler> handlers,
      ChannelCredentials credentials) {
    double start = ThreadLocalRandom.current().nextDouble();
    this.connection =
        new Connection(
            new Addresses(addresses, start),
            credentials,
            hello(description, handlers),
            Map.copyOf(handlers));
  }

  /**
   * Runs until {@link #leave} was called and the drain is over. Heartbeats depend on this thread,
   * and on no handler. An interrupt ends it without a goodbye.
   *
   * @throws AgentException if the agent must not go on: its process should exit
   */
  public void run() throws AgentException, InterruptedException {
    connection.run();
  }

  /**
   * Has the agent leave: it takes nothing new, returns what has not started, and what runs may go
   * on for {@code drain} before it is stopped and returned. Returns at once; {@link #run} returns
   * when that is done. For any thread; called again, it can only shorten the time.
   */
  public void leave(Duration drain) {
    connection.leave(drain.toNanos() * 1e-9, STOP_TIME.toNanos() * 1e-9);
  }

  private static Hello hello(Hello description, Map<String, Handler> handlers) {
    return description.toBuilder()
        .setProtocolVersionMin(PROTOCOL_VERSION)
        .setProtocolVersionMax(PROTOCOL_VERSION)
        .setIncarnation(UUID.randomUUID().toString())
        .clearKinds()
        .addAllKinds(handlers.keySet())
        .setSdk("missioncontrol-java/0.1.0")
        .setHost(hostName())
        .build();
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException nameless) {
      return "";
    }
  }
}
