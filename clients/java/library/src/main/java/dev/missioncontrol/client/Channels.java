package dev.missioncontrol.client;

import io.grpc.ChannelCredentials;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.NameResolverRegistry;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Opens channels to coordinators. Nothing here knows a message. */
public final class Channels {
  /**
   * Pings more often than every 10 s are answered with ENHANCE_YOUR_CALM. With the timeout it is 20
   * s until calls and streams leave a coordinator that fell silent.
   */
  private static final int KEEPALIVE_SECONDS = 15;

  private static final int KEEPALIVE_TIMEOUT_SECONDS = 5;

  private static final int CONNECT_MILLIS = 5_000;

  /** gRPC waits up to two minutes between tries; a coordinator restarts in about a second. */
  private static final int RECONNECT_MILLIS = 1_000;

  private static final List<String> RETRIED_SERVICES =
      List.of("TaskService", "QueueService", "ScheduleService", "EventService", "RoutingService");

  /** Without Connect: an agent must see its stream break, and choose another address itself. */
  private static final List<String> RETRIED_AGENT_METHODS =
      List.of(
          "ListAgents", "GetAgent", "CordonAgent", "UncordonAgent", "DrainAgent", "ChangeAgents");

  /** Every write carries a request id, so all calls may be repeated. */
  private static final Map<String, ?> RETRY_POLICY =
      Map.of(
          "maxAttempts",
          5.0,
          "initialBackoff",
          "0.1s",
          "maxBackoff",
          "2s",
          "backoffMultiplier",
          2.0,
          "retryableStatusCodes",
          List.of("UNAVAILABLE"));

  static {
    NameResolverRegistry.getDefaultRegistry().register(new AddressResolver.Provider());
  }

  private Channels() {}

  /** A channel over all addresses, for calls: they are spread, and repeated where one fails. */
  static ManagedChannel open(List<String> addresses, ChannelCredentials credentials) {
    String scheme = addresses.size() == 1 ? "dns" : AddressResolver.SCHEME;
    String target = target(scheme, String.join(",", addresses));
    ManagedChannel channel =
        builder(target, credentials).defaultServiceConfig(serviceConfig()).enableRetry().build();
    reconnectSoon(channel);
    return channel;
  }

  /** A channel to one address, for one stream of an agent. */
  public static ManagedChannel openOne(String address, ChannelCredentials credentials) {
    return builder(target("dns", address), credentials).directExecutor().disableRetry().build();
  }

  /** The brackets of IPv6 must be quoted in a URI, which the constructor does. */
  private static String target(String scheme, String path) {
    try {
      return new URI(scheme, "", "/" + path, null).toString();
    } catch (URISyntaxException impossible) {
      throw new IllegalArgumentException(path + " is no address", impossible);
    }
  }

  private static NettyChannelBuilder builder(String target, ChannelCredentials credentials) {
    return NettyChannelBuilder.forTarget(target, credentials)
        .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_MILLIS)
        .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
        .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS);
  }

  private static Map<String, ?> serviceConfig() {
    List<Map<String, String>> names =
        Stream.concat(
                RETRIED_SERVICES.stream().map(each -> Map.of("service", full(each))),
                RETRIED_AGENT_METHODS.stream()
                    .map(each -> Map.of("service", full("AgentService"), "method", each)))
            .toList();
    return Map.of(
        "loadBalancingConfig", List.of(Map.of("round_robin", Map.of())),
        "methodConfig", List.of(Map.of("name", names, "retryPolicy", RETRY_POLICY)));
  }

  private static String full(String service) {
    return "missioncontrol.v1." + service;
  }

  /** Calls itself at each change of the channel's state, until the channel is shut down. */
  private static void reconnectSoon(ManagedChannel channel) {
    ConnectivityState state = channel.getState(false);
    if (state == ConnectivityState.SHUTDOWN) {
      return;
    }
    if (state == ConnectivityState.TRANSIENT_FAILURE) {
      CompletableFuture.delayedExecutor(RECONNECT_MILLIS, TimeUnit.MILLISECONDS)
          .execute(() -> resetBackoff(channel));
    }
    channel.notifyWhenStateChanged(state, () -> reconnectSoon(channel));
  }

  /** Again and again while nothing is reached: with round robin the state stays the same then. */
  private static void resetBackoff(ManagedChannel channel) {
    if (channel.getState(false) != ConnectivityState.TRANSIENT_FAILURE) {
      return;
    }
    channel.resetConnectBackoff();
    CompletableFuture.delayedExecutor(RECONNECT_MILLIS, TimeUnit.MILLISECONDS)
        .execute(() -> resetBackoff(channel));
  }
}
