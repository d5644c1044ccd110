package dev.missioncontrol.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The addresses of coordinators, tried one after another. Not safe for several threads.
 *
 * <p>An address is "host:port"; the port may be left out: 7070. An IPv6 address stands in brackets.
 */
public final class Addresses {
  private static final String DEFAULT_PORT = "7070";

  /** A team has a handful of coordinators; what is learned must be bounded all the same. */
  private static final int LEARNED_MAX = 32;

  private static final Pattern HOST_AND_PORT =
      Pattern.compile("(?<host>\\[[0-9a-fA-F:.]+]|[^\\s:/\\[\\],]+)(?::(?<port>\\d{1,5}))?");

  private final List<String> given;
  private List<String> ring;
  private int index;

  /**
   * Begins with the address at the place {@code start}, from 0.0 to 1.0: with a number by chance a
   * fleet spreads over all coordinators.
   */
  public Addresses(String addresses, double start) {
    this.given = parse(addresses);
    this.ring = given;
    this.index = (int) (start * given.size()) % given.size();
  }

  /**
   * The single addresses of a list that is separated by commas, each once and each with a port.
   *
   * @throws IllegalArgumentException if one is no address, or there is none
   */
  public static List<String> parse(String addresses) {
    List<String> parsed =
        Arrays.stream(addresses.split(",", -1))
            .map(String::strip)
            .filter(each -> !each.isEmpty())
            .map(Addresses::withPort)
            .distinct()
            .toList();
    if (parsed.isEmpty()) {
      throw new IllegalArgumentException("no address in \"" + addresses + "\": give host:port");
    }
    return parsed;
  }

  /** The address to use now. */
  public String current() {
    return ring.get(index);
  }

  /** Goes on to the next address, after the last to the first. */
  public void advance() {
    index = (index + 1) % ring.size();
  }

  /** Puts the live coordinators behind those given, in place of what was learned before. */
  public void learn(Collection<String> live) {
    String current = current();
    LinkedHashSet<String> all = new LinkedHashSet<>(given);
    live.stream().map(Addresses::withPort).limit(LEARNED_MAX).forEach(all::add);
    all.add(current);
    ring = new ArrayList<>(all);
    index = ring.indexOf(current);
  }

  private static String withPort(String address) {
    var parts = HOST_AND_PORT.matcher(address);
    if (!parts.matches()) {
      throw new IllegalArgumentException("\"" + address + "\" is no address: give host:port");
    }
    String port = parts.group("port") == null ? DEFAULT_PORT : parts.group("port");
    if (Integer.parseInt(port) < 1 || Integer.parseInt(port) > 65535) {
      throw new IllegalArgumentException("\"" + address + "\" has no port from 1 to 65535");
    }
    return parts.group("host") + ":" + port;
  }
}
