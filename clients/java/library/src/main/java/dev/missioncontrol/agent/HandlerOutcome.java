package dev.missioncontrol.agent;

import dev.missioncontrol.agent.session.Outcome;
import dev.missioncontrol.agent.session.Text;
import dev.missioncontrol.v1.Failure;
import dev.missioncontrol.v1.FailureReason;
import dev.missioncontrol.v1.Payload;

/**
 * How a handler's work ended, within the contract's bounds: what breaks them would be refused, or
 * break the stream that carries it, again and again.
 */
final class HandlerOutcome {
  private static final int OUTPUT_BYTES_MAX = 256 * 1024;
  private static final int MESSAGE_BYTES_MAX = 8 * 1024;
  private static final int CODE_BYTES_MAX = 128;

  private HandlerOutcome() {}

  /** It returned this, or nothing (null). */
  static Outcome returned(Payload output) {
    if (output == null) {
      return new Outcome.Success(Payload.getDefaultInstance());
    }
    int size = output.getData().size();
    if (size <= OUTPUT_BYTES_MAX) {
      return new Outcome.Success(output);
    }
    return failed(
        Failure.newBuilder()
            .setReason(FailureReason.FAILURE_REASON_RESOURCE_EXHAUSTED)
            .setCode("OUTPUT_TOO_LARGE")
            .setMessage(
                "the output has " + size + " bytes; at most " + OUTPUT_BYTES_MAX + " are kept")
            .setPermanent(true)
            .build());
  }

  /** It threw this. */
  static Outcome threw(Throwable error) {
    if (error instanceof InterruptedException) {
      return new Outcome.Stopped();
    }
    if (error instanceof WorkException known) {
      return failed(known.failure());
    }
    return failed(
        Failure.newBuilder()
            .setReason(FailureReason.FAILURE_REASON_ERROR)
            .setMessage(error.toString())
            .setCode(error.getClass().getSimpleName())
            .build());
  }

  private static Outcome failed(Failure failure) {
    return new Outcome.Failing(
        failure.toBuilder()
            .setMessage(Text.clip(failure.getMessage(), MESSAGE_BYTES_MAX))
            .setCode(Text.clip(failure.getCode(), CODE_BYTES_MAX))
            .build());
  }
}
