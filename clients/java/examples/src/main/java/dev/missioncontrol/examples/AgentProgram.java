package dev.missioncontrol.examples;

import dev.missioncontrol.agent.Agent;
import dev.missioncontrol.agent.AgentException;
import dev.missioncontrol.agent.Handler;
import dev.missioncontrol.v1.Hello;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Runs tasks of the kind "example.digest" until SIGTERM or Ctrl-C. */
public final class AgentProgram {
  private static final int FAILED = 1;
  private static final int BAD_SETTINGS = 2;

  private AgentProgram() {}

  /** Ends the process with 0 after a drain, 70 if a newer process has the id, 78 if refused. */
  public static void main(String[] arguments) {
    int exitCode = BAD_SETTINGS;
    try {
      double drainSeconds = Settings.number("MISSIONCONTROL_AGENT_DRAIN_SECONDS", 30);
      Map<String, Handler> handlers = Map.of(Settings.KIND, Digest::run);
      Agent agent = new Agent(Settings.addresses(), description(), handlers);
      exitCode = run(agent, Duration.ofMillis((long) (drainSeconds * 1000)));
    } catch (IllegalArgumentException unreadable) {
      System.err.println(unreadable.getMessage());
    }
    System.exit(exitCode);
  }

  private static int run(Agent agent, Duration drain) {
    CompletableFuture<Integer> ended = new CompletableFuture<>();
    // SIGTERM and Ctrl-C start this; the process lives as long as it runs.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> leave(agent, drain, ended), "leaving"));
    try {
      agent.run();
      ended.complete(0);
    } catch (AgentException | InterruptedException why) {
      System.err.println(why.getMessage());
      ended.complete(why instanceof AgentException known ? known.exitCode() : FAILED);
    } finally {
      ended.complete(FAILED); // Only if nothing above did: an error, which Java prints.
    }
    return ended.join();
  }

  private static void leave(Agent agent, Duration drain, CompletableFuture<Integer> ended) {
    agent.leave(drain);
    // A process that a signal ends would have the signal's exit code.
    Runtime.getRuntime().halt(ended.join());
  }

  private static Hello description() {
    return Hello.newBuilder()
        .setNamespace(Settings.namespace())
        .setAgentId(Settings.agentId())
        .setSlots((int) Settings.number("MISSIONCONTROL_AGENT_SLOTS", 4))
        .addAllCapabilities(Settings.list("MISSIONCONTROL_AGENT_CAPABILITIES"))
        .build();
  }
}
