package dev.missioncontrol.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ServiceExceptionTest {
  @Test
  void theDetailsOfAStatusAreRead() {
    var info =
        ErrorInfo.newBuilder()
            .setReason("QUEUE_FULL")
            .setDomain("missioncontrol")
            .putMetadata("queue", "q")
            .build();
    var field =
        BadRequest.FieldViolation.newBuilder().setField("spec.queue").setDescription("is full");
    var delay = com.google.protobuf.Duration.newBuilder().setSeconds(2).setNanos(500_000_000);
    var status =
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
            .setMessage("no room")
            .addDetails(Any.pack(info))
            .addDetails(Any.pack(BadRequest.newBuilder().addFieldViolations(field).build()))
            .addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()))
            .build();

    var read = ServiceException.of(StatusProto.toStatusRuntimeException(status));

    assertEquals(Status.Code.RESOURCE_EXHAUSTED, read.code());
    assertEquals("QUEUE_FULL", read.reason());
    assertEquals("missioncontrol", read.domain());
    assertEquals(Map.of("queue", "q"), read.metadata());
    assertEquals(List.of(new FieldViolation("spec.queue", "is full")), read.fields());
    assertEquals(Optional.of(Duration.ofMillis(2500)), read.retryDelay());
    assertEquals("RESOURCE_EXHAUSTED, QUEUE_FULL: no room", read.getMessage());
  }

  @Test
  void whatNoServiceSaidHasNoReason() {
    var read = ServiceException.of(Status.UNAVAILABLE.withDescription("gone").asException());
    assertEquals("", read.reason());
    assertEquals("UNAVAILABLE: gone", read.getMessage());
  }
}
