package dev.missioncontrol.agent;

import dev.missioncontrol.v1.Failure;
import dev.missioncontrol.v1.FailureReason;

/** Thrown by a handler: the attempt failed, with a code on which retry policies can select. */
public final class WorkException extends Exception {
  private static final long serialVersionUID = 1L;

  private final transient Failure failure;

  /** An error of the work, which the task's policy may try again. */
  public WorkException(String code, String message) {
    this(
        Failure.newBuilder()
            .setReason(FailureReason.FAILURE_REASON_ERROR)
            .setCode(code)
            .setMessage(message)
            .build());
  }

  /** Any failure, such as one that is permanent. */
  public WorkException(Failure failure) {
    super(failure.getMessage());
    this.failure = failure;
  }

  /** What is reported. */
  public Failure failure() {
    return failure;
  }
}
