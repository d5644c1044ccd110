package dev.missioncontrol.agent;

import dev.missioncontrol.client.ServiceException;
import io.grpc.Status;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;

/** What the end of a stream means: connect again, or give up and say why. */
final class StreamEnd {
  private static final String INCARNATION_SUPERSEDED = "INCARNATION_SUPERSEDED";

  /** What an answer to a Hello says of the agent itself: asking again gives the same answer. */
  private static final Set<Status.Code> FATAL =
      EnumSet.of(
          Status.Code.INVALID_ARGUMENT,
          Status.Code.FAILED_PRECONDITION,
          Status.Code.PERMISSION_DENIED,
          Status.Code.UNAUTHENTICATED,
          Status.Code.UNIMPLEMENTED);

  private StreamEnd() {}

  /**
   * Why the agent must end, if it must. After Welcome only a superseded incarnation is fatal:
   * everything else a later stream, or another coordinator, may mend.
   */
  static Optional<AgentException> verdict(
      ServiceException error, String agentId, boolean welcomed) {
    if (error.reason().equals(INCARNATION_SUPERSEDED)) {
      String why =
          "a newer process has the agent id \"%s\", so this one ends: give each process an id of its"
              + " own";
      return Optional.of(
          new AgentException(AgentException.Kind.SUPERSEDED, why.formatted(agentId), error));
    }
    if (welcomed || !FATAL.contains(error.code())) {
      return Optional.empty();
    }
    String why = "the coordinator does not take the agent \"%s\": %s";
    return Optional.of(
        new AgentException(
            AgentException.Kind.REFUSED, why.formatted(agentId, error.getMessage()), error));
  }
}
