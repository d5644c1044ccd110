package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Cancelled;
import dev.missioncontrol.v1.Failed;
import dev.missioncontrol.v1.Failure;
import dev.missioncontrol.v1.FailureReason;
import dev.missioncontrol.v1.Payload;
import dev.missioncontrol.v1.Rejected;
import dev.missioncontrol.v1.Report;
import dev.missioncontrol.v1.Returned;
import dev.missioncontrol.v1.Succeeded;

/** How work ended, and which report that gives. */
public sealed interface Outcome {
  /** It ended well. */
  record Success(Payload output) implements Outcome {}

  /** It failed. */
  record Failing(Failure failure) implements Outcome {}

  /** It stopped before it was done. */
  record Stopped() implements Outcome {}

  /**
   * The last report of a lease whose work ended like this after it was told to stop, or was not
   * (null); null if nothing is to be said.
   *
   * <p>A success wins over everything but a time limit, which the coordinator enforces, too. What
   * failed while it was being stopped for the agent's own reasons is returned: the stop may have
   * been the cause, and must not burn a retry.
   */
  static Report.Builder report(Outcome outcome, StopReason stop) {
    if (stop == StopReason.DROPPED) {
      return null;
    }
    if (stop == StopReason.TIMEOUT) {
      return failed(FailureReason.FAILURE_REASON_TIMEOUT, "", stop.explanation(), false);
    }
    if (outcome instanceof Success success) {
      return succeeded(success.output());
    }
    if (stop == StopReason.CANCEL) {
      return Report.newBuilder().setCancelled(Cancelled.getDefaultInstance());
    }
    if (stop != null) {
      return returned(stop.explanation());
    }
    return outcome instanceof Failing failing ? failed(failing.failure()) : stoppedUnasked();
  }

  /** What is said in place of an outcome that the coordinator called invalid, the first time. */
  static Report.Builder refused(String message) {
    String text = Text.note("the coordinator refused the outcome: " + message);
    return failed(FailureReason.FAILURE_REASON_ERROR, "OUTCOME_REFUSED", text, true);
  }

  /** The lease goes back; it burns nothing. */
  static Report.Builder returned(String why) {
    return Report.newBuilder().setReturned(Returned.newBuilder().setMessage(Text.note(why)));
  }

  /** The lease is refused; it burns nothing, and the agent is avoided for a while. */
  static Report.Builder rejected(String why) {
    return Report.newBuilder().setRejected(Rejected.newBuilder().setMessage(Text.note(why)));
  }

  private static Report.Builder succeeded(Payload output) {
    return Report.newBuilder().setSucceeded(Succeeded.newBuilder().setOutput(output));
  }

  private static Report.Builder stoppedUnasked() {
    String text = "the handler was interrupted by something other than Mission Control";
    return failed(FailureReason.FAILURE_REASON_ERROR, "STOPPED_ITSELF", text, false);
  }

  private static Report.Builder failed(
      FailureReason reason, String code, String message, boolean permanent) {
    return failed(
        Failure.newBuilder()
            .setReason(reason)
            .setCode(code)
            .setMessage(message)
            .setPermanent(permanent)
            .build());
  }

  private static Report.Builder failed(Failure failure) {
    return Report.newBuilder().setFailed(Failed.newBuilder().setFailure(failure));
  }
}
