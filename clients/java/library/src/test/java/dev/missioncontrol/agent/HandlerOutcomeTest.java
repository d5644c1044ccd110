package dev.missioncontrol.agent;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.missioncontrol.agent.session.Outcome;
import dev.missioncontrol.v1.Failure;
import dev.missioncontrol.v1.FailureReason;
import dev.missioncontrol.v1.Payload;
import org.junit.jupiter.api.Test;

class HandlerOutcomeTest {
  private static Payload output(int bytes) {
    return Payload.newBuilder().setData(ByteString.copyFrom(new byte[bytes])).build();
  }

  private static Failure failure(Outcome outcome) {
    return assertInstanceOf(Outcome.Failing.class, outcome).failure();
  }

  @Test
  void anOutputIsKeptUpToItsBound() {
    Payload largest = output(256 * 1024);
    assertEquals(new Outcome.Success(largest), HandlerOutcome.returned(largest));
  }

  @Test
  void aLargerOneIsAFailureThatIsNotTriedAgain() {
    Failure failure = failure(HandlerOutcome.returned(output(256 * 1024 + 1)));
    assertEquals("OUTPUT_TOO_LARGE", failure.getCode());
    assertEquals(FailureReason.FAILURE_REASON_RESOURCE_EXHAUSTED, failure.getReason());
    assertTrue(failure.getPermanent());
  }

  @Test
  void aLongMessageIsCutAtTheBorderOfACharacter() {
    Failure failure =
        failure(HandlerOutcome.threw(new WorkException("c".repeat(200), "x" + "€".repeat(9000))));
    assertEquals("x" + "€".repeat((8 * 1024 - 1) / 3), failure.getMessage());
    assertEquals(128, failure.getCode().getBytes(UTF_8).length);
  }

  @Test
  void halfACharacterIsNotSaid() {
    assertEquals(
        "?x", failure(HandlerOutcome.threw(new WorkException("c", "\uD83Dx"))).getMessage());
  }
}
