package dev.missioncontrol.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.missioncontrol.v1.GetTaskRequest;
import dev.missioncontrol.v1.TaskServiceGrpc;
import io.grpc.ClientInterceptors;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ChannelsTest {
  private static Status.Code call(ManagedChannel channel) {
    var stub = TaskServiceGrpc.newBlockingStub(channel).withDeadlineAfter(60, TimeUnit.SECONDS);
    var request = GetTaskRequest.getDefaultInstance();
    return assertThrows(StatusRuntimeException.class, () -> stub.getTask(request))
        .getStatus()
        .getCode();
  }

  @ParameterizedTest
  @ValueSource(strings = {"127.0.0.1:1", "[::1]:1", "127.0.0.1:1,[::1]:1"})
  void everyKindOfAddressIsDialled(String addresses) {
    var credentials = InsecureChannelCredentials.create();
    ManagedChannel channel = Channels.open(Addresses.parse(addresses), credentials);
    try {
      assertEquals(Status.Code.UNAVAILABLE, call(channel));
    } finally {
      channel.shutdownNow();
    }
  }

  @Test
  void aUnaryCallWaitsForAConnectionUntilItsDeadline() {
    var credentials = InsecureChannelCredentials.create();
    ManagedChannel channel = Channels.open(Addresses.parse("127.0.0.1:1"), credentials);
    try {
      long begin = System.nanoTime();
      var stub =
          TaskServiceGrpc.newBlockingStub(ClientInterceptors.intercept(channel, new CallDefaults()))
              .withDeadlineAfter(Duration.ofMillis(300));
      var request = GetTaskRequest.getDefaultInstance();
      var error = assertThrows(StatusRuntimeException.class, () -> stub.getTask(request));
      assertEquals(Status.Code.DEADLINE_EXCEEDED, error.getStatus().getCode());
      assertTrue(System.nanoTime() - begin >= Duration.ofMillis(290).toNanos());
    } finally {
      channel.shutdownNow();
    }
  }
}
