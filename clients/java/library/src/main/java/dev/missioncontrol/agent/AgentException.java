package dev.missioncontrol.agent;

/** The agent cannot go on, and must not come back as it is. */
public final class AgentException extends Exception {
  private static final long serialVersionUID = 1L;

  /** Why an agent ends. */
  public enum Kind {
    /** A newer process has this agent's id. */
    SUPERSEDED(70),
    /** The coordinator does not take the agent: a wrong id, or a version too far apart. */
    REFUSED(78);

    private final int exitCode;

    Kind(int exitCode) {
      this.exitCode = exitCode;
    }
  }

  private final Kind kind;

  AgentException(Kind kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  /** Which of the two it is. */
  public Kind kind() {
    return kind;
  }

  /** With what the process should end: 70 for SUPERSEDED, 78 for REFUSED. */
  public int exitCode() {
    return kind.exitCode;
  }
}
