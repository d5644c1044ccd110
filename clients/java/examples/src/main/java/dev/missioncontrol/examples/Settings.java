package dev.missioncontrol.examples;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.List;

/** The settings of both programs, from the environment. */
final class Settings {
  static final String KIND = "example.digest";

  private Settings() {}

  static String addresses() {
    return text("MISSIONCONTROL_ADDRESS", "127.0.0.1:7070");
  }

  static String namespace() {
    return text("MISSIONCONTROL_NAMESPACE", "default");
  }

  static String agentId() {
    return text("MISSIONCONTROL_AGENT_ID", hostName());
  }

  static String text(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  static List<String> list(String name) {
    return Arrays.stream(text(name, "").split(",", -1))
        .map(String::strip)
        .filter(each -> !each.isEmpty())
        .toList();
  }

  static double number(String name, double otherwise) {
    String value = text(name, Double.toString(otherwise));
    try {
      return Double.parseDouble(value);
    } catch (NumberFormatException unreadable) {
      throw new IllegalArgumentException(name + " is no number: " + value, unreadable);
    }
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException nameless) {
      return "localhost";
    }
  }
}
