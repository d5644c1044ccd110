package dev.missioncontrol.client;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * Resolves a target that names several coordinators, {@code missioncontrol:///host:port,host:port}:
 * gRPC's own resolver takes one name only. Names are looked up again whenever gRPC asks, which it
 * does after a connection broke.
 */
final class AddressResolver extends NameResolver {
  static final String SCHEME = "missioncontrol";

  private final List<String> addresses;
  private final Executor executor;
  private Listener2 listener;

  private AddressResolver(List<String> addresses, Executor executor) {
    this.addresses = addresses;
    this.executor = executor;
  }

  @Override
  public String getServiceAuthority() {
    return addresses.get(0);
  }

  @Override
  public void start(Listener2 newListener) {
    listener = newListener;
    refresh();
  }

  @Override
  public void refresh() {
    executor.execute(this::resolve);
  }

  @Override
  public void shutdown() {
    // A look-up under way ends by itself, and its result is ignored by the channel.
  }

  private void resolve() {
    List<EquivalentAddressGroup> found = new ArrayList<>();
    List<String> unknown = new ArrayList<>();
    for (String address : addresses) {
      Collection<EquivalentAddressGroup> known = resolved(address);
      found.addAll(known);
      if (known.isEmpty()) {
        unknown.add(address);
      }
    }
    var result = found.isEmpty() ? unavailable(unknown) : StatusOr.fromValue(found);
    listener.onResult(
        ResolutionResult.newBuilder()
            .setAddressesOrError(result)
            .setAttributes(Attributes.EMPTY)
            .build());
  }

  private static StatusOr<List<EquivalentAddressGroup>> unavailable(List<String> unknown) {
    String names = String.join(", ", unknown);
    return StatusOr.fromStatus(Status.UNAVAILABLE.withDescription("no such host: " + names));
  }

  private static List<EquivalentAddressGroup> resolved(String address) {
    int colon = address.lastIndexOf(':');
    int port = Integer.parseInt(address.substring(colon + 1));
    List<EquivalentAddressGroup> groups = new ArrayList<>();
    try {
      for (InetAddress each : InetAddress.getAllByName(address.substring(0, colon))) {
        groups.add(new EquivalentAddressGroup(new InetSocketAddress(each, port)));
      }
    } catch (UnknownHostException unknown) {
      return List.of();
    }
    return groups;
  }

  /** Makes resolvers for the scheme. */
  static final class Provider extends NameResolverProvider {
    @Override
    public String getDefaultScheme() {
      return SCHEME;
    }

    @Override
    public NameResolver newNameResolver(URI target, Args arguments) {
      if (!SCHEME.equals(target.getScheme())) {
        return null;
      }
      List<String> addresses = Addresses.parse(target.getPath().substring(1));
      return new AddressResolver(addresses, arguments.getOffloadExecutor());
    }

    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 0; // Never the default scheme: nobody's own targets change their meaning.
    }
  }
}
