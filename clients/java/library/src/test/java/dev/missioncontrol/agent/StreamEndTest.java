package dev.missioncontrol.agent;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import dev.missioncontrol.client.ServiceException;
import io.grpc.Status;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class StreamEndTest {
  private static ServiceException error(Status.Code code, String reason) {
    var info = ErrorInfo.newBuilder().setReason(reason).build();
    return ServiceException.of(
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .addDetails(Any.pack(info))
            .build());
  }

  @Test
  void aSupersededIncarnationEndsAlsoAfterWelcome() {
    var error = error(Status.Code.FAILED_PRECONDITION, "INCARNATION_SUPERSEDED");
    assertEquals(70, StreamEnd.verdict(error, "a", true).orElseThrow().exitCode());
    assertEquals(70, StreamEnd.verdict(error, "a", false).orElseThrow().exitCode());
  }

  @ParameterizedTest
  @EnumSource(
      value = Status.Code.class,
      names = {
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "UNIMPLEMENTED"
      })
  void aRefusedHelloEndsItAndTheSameAfterWelcomeDoesNot(Status.Code code) {
    assertEquals(78, StreamEnd.verdict(error(code, "X"), "a", false).orElseThrow().exitCode());
    assertTrue(StreamEnd.verdict(error(code, "X"), "a", true).isEmpty());
  }

  @ParameterizedTest
  @EnumSource(
      value = Status.Code.class,
      names = {"UNAVAILABLE", "INTERNAL", "CANCELLED", "ABORTED", "UNKNOWN", "DEADLINE_EXCEEDED"})
  void whatProxiesAndRestartsProduceIsABrokenStream(Status.Code code) {
    assertTrue(StreamEnd.verdict(error(code, ""), "a", false).isEmpty());
  }
}
