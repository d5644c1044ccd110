package dev.missioncontrol.agent.session;

/** Why work must stop. */
public enum StopReason {
  /** Somebody cancelled the task. */
  CANCEL("the task was cancelled"),
  /** It ran into its time limit. */
  TIMEOUT("the time limit for running was exceeded"),
  /** Heartbeats were not answered in time: somebody else may have the task from now on. */
  LOST("the lease could not be renewed in time"),
  /** The coordinator says that the lease is somebody else's, or nobody's. */
  DROPPED("the lease is not this agent's any more"),
  /** The agent leaves, or an operator drains it. */
  DRAIN("the agent is draining");

  private final String explanation;

  StopReason(String explanation) {
    this.explanation = explanation;
  }

  /** For people. */
  public String explanation() {
    return explanation;
  }
}
