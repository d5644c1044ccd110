package dev.missioncontrol.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.missioncontrol.agent.Agent;
import dev.missioncontrol.agent.Handler;
import dev.missioncontrol.client.MissionControl;
import dev.missioncontrol.client.Resumed;
import dev.missioncontrol.client.ServiceException;
import dev.missioncontrol.v1.CreateTaskRequest;
import dev.missioncontrol.v1.Event;
import dev.missioncontrol.v1.EventType;
import dev.missioncontrol.v1.Hello;
import dev.missioncontrol.v1.Payload;
import dev.missioncontrol.v1.Requirements;
import dev.missioncontrol.v1.ResetReason;
import dev.missioncontrol.v1.Task;
import dev.missioncontrol.v1.TaskSpec;
import dev.missioncontrol.v1.TaskState;
import dev.missioncontrol.v1.WatchEventsRequest;
import dev.missioncontrol.v1.WatchEventsResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Against the fleet that MISSIONCONTROL_ADDRESS names: `make interop`. */
@Tag("interop")
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FleetTest {
  private static final String ADDRESS = System.getenv("MISSIONCONTROL_ADDRESS");

  /** What only the agent of one test can do, so that no other agent of the fleet takes its work. */
  private final String own = "java-" + UUID.randomUUID();

  private MissionControl client;

  @BeforeEach
  void connect() {
    boolean named = ADDRESS != null && !ADDRESS.isEmpty();
    if (!named) {
      System.err.println("INTEROP SKIPPED: MISSIONCONTROL_ADDRESS names no fleet");
    }
    Assumptions.assumeTrue(named, "INTEROP SKIPPED: MISSIONCONTROL_ADDRESS names no fleet");
    client = MissionControl.connect(ADDRESS, "default");
  }

  @AfterEach
  void disconnect() {
    if (client != null) {
      client.close();
    }
  }

  private CreateTaskRequest request(String text) {
    TaskSpec spec =
        TaskSpec.newBuilder()
            .setKind("java.interop")
            .setQueue(own)
            .setRequirements(Requirements.newBuilder().addCapabilities(own))
            .setPayload(Payload.newBuilder().setData(ByteString.copyFromUtf8(text)))
            .build();
    return CreateTaskRequest.newBuilder().setSpec(spec).build();
  }

  /** Runs an agent for as long as the test needs it, and has it leave. */
  private void withAgent(Handler handler, Runnable test) {
    Hello hello = Hello.newBuilder().setAgentId(own).setSlots(2).addCapabilities(own).build();
    Agent agent = new Agent(ADDRESS, hello, Map.of("java.interop", handler));
    CompletableFuture<Void> running = CompletableFuture.runAsync(() -> run(agent));
    try {
      test.run();
    } finally {
      agent.leave(Duration.ofSeconds(5));
    }
    running.join();
  }

  private static void run(Agent agent) {
    try {
      agent.run();
    } catch (Exception why) {
      throw new IllegalStateException(why);
    }
  }

  @Test
  void aTaskIsSubmittedOnceAndReadWhole() {
    CreateTaskRequest request = request("x").toBuilder().setRequestId(own).build();
    Task first = client.submit(request);
    Task again = client.submit(request);
    assertEquals(first.getId(), again.getId());
    assertEquals("x", client.get(first.getId()).getSpec().getPayload().getData().toStringUtf8());
    assertEquals(TaskState.TASK_STATE_CANCELLED, client.cancel(first.getId(), "over").getState());
    assertEquals(TaskState.TASK_STATE_CANCELLED, client.await(first.getId()).getState());
  }

  @Test
  void ofSeveralAddressesOneThatAnswersIsEnough() {
    String addresses = "127.0.0.1:1,[::1]:1," + ADDRESS;
    try (MissionControl several = MissionControl.connect(addresses, "default")) {
      Task task = several.submit(request("x"));
      assertEquals(task.getId(), several.get(task.getId()).getId());
      several.cancel(task.getId(), "over");
    }
  }

  @Test
  void wrongFieldsAreNamed() {
    CreateTaskRequest.Builder request = request("x").toBuilder();
    request.getSpecBuilder().setQueue("q".repeat(200)).setPriority(1000);
    var error = assertThrows(ServiceException.class, () -> client.submit(request.build()));
    assertEquals(Status.Code.INVALID_ARGUMENT, error.code());
    List<String> fields = error.fields().stream().map(each -> each.field()).sorted().toList();
    assertEquals(List.of("spec.priority", "spec.queue"), fields);
    assertFalse(error.fields().get(0).description().isEmpty());
  }

  @Test
  void whatIsUnknownIsNotFoundWithAReason() {
    var error =
        assertThrows(ServiceException.class, () -> client.get(UUID.randomUUID().toString()));
    assertEquals(Status.Code.NOT_FOUND, error.code());
    assertEquals("missioncontrol", error.domain());
    assertEquals("NOT_FOUND", error.reason());
    assertThrows(ServiceException.class, () -> client.await(UUID.randomUUID().toString()));
  }

  @Test
  void anAgentRunsTasksAndACancelStopsOne() {
    withAgent(
        work -> {
          String text = work.input().getData().toStringUtf8();
          work.progress(0.5, text);
          if (text.equals("for ever")) {
            Thread.sleep(Long.MAX_VALUE);
          }
          return Payload.newBuilder().setData(ByteString.copyFromUtf8(text + "!")).build();
        },
        () -> {
          String endless = client.submit(request("for ever")).getId();
          List<String> ids = new ArrayList<>();
          for (int i = 0; i < 20; i++) {
            ids.add(client.submit(request("task " + i)).getId());
          }
          for (int i = 0; i < 20; i++) {
            Task task = client.await(ids.get(i));
            assertEquals(TaskState.TASK_STATE_SUCCEEDED, task.getState());
            assertEquals("task " + i + "!", task.getOutput().getData().toStringUtf8());
            assertEquals(own, task.getAgentId());
          }
          assertEquals(TaskState.TASK_STATE_RUNNING, client.get(endless).getState());
          client.cancel(endless, "enough");
          assertEquals(TaskState.TASK_STATE_CANCELLED, client.await(endless).getState());
        });
  }

  /** Of a queue what its tasks say; the queue itself may say, too, that nobody takes them. */
  private WatchEventsRequest events(String after, boolean follow) {
    WatchEventsRequest.Builder request = WatchEventsRequest.newBuilder().setAfter(after);
    request
        .getFilterBuilder()
        .setQueue(own)
        .addTypes(EventType.EVENT_TYPE_TASK_CREATED)
        .addTypes(EventType.EVENT_TYPE_TASK_CANCELLED);
    return request.setFollow(follow).build();
  }

  /** What follows of the feed, until it has told of so many tasks that are cancelled. */
  private String read(MissionControl reader, String after, int cancelled, List<Event> events) {
    String position = after;
    try (var feed = reader.follow(events(after, true))) {
      while (count(events, EventType.EVENT_TYPE_TASK_CANCELLED) < cancelled) {
        WatchEventsResponse message = feed.next();
        events.addAll(message.getEventsList());
        position = message.getPosition();
      }
    }
    return position;
  }

  private void submitAndCancel(int count) {
    for (int i = 0; i < count; i++) {
      client.cancel(client.submit(request("task " + i)).getId(), "");
    }
  }

  /** All events up to the head, in one go. */
  private List<Event> whole() {
    List<Event> whole = new ArrayList<>();
    try (var feed = client.follow(events("", false))) {
      feed.forEachRemaining(message -> whole.addAll(message.getEventsList()));
    }
    return whole;
  }

  @Test
  void theFeedGoesOnAfterThePositionThatWasRead() {
    List<Event> parts = new ArrayList<>();
    String position = "";
    for (int part = 1; part <= 3; part++) {
      submitAndCancel(10); // Nobody watches meanwhile.
      position = read(client, position, 10 * part, parts);
    }
    assertEquals(30, count(parts, EventType.EVENT_TYPE_TASK_CREATED));
    assertEquals(whole(), parts, "nothing is missing, doubled, or in another order");
  }

  @Test
  void aFeedWhoseConnectionIsCutGoesOnByItself() throws Exception {
    List<Event> told = new ArrayList<>();
    try (CuttingProxy proxy = new CuttingProxy(ADDRESS.split(",", -1)[0]);
        MissionControl reader = MissionControl.connect(proxy.address(), "default")) {
      CompletableFuture<Void> submitting =
          CompletableFuture.runAsync(
              () -> {
                for (int i = 0; i < 5; i++) {
                  submitAndCancel(6);
                  proxy.cut();
                }
              });
      read(reader, "", 30, told);
      submitting.join();
    }
    assertEquals(whole(), told, "nothing is missing, doubled, or in another order");
  }

  private static long count(List<Event> events, EventType type) {
    return events.stream().filter(each -> each.getType() == type).count();
  }

  @Test
  void aPositionThatCannotBeContinuedIsSaidSo() {
    try (Resumed<WatchEventsResponse> feed = client.follow(events("another-epoch:7", true))) {
      WatchEventsResponse first = feed.next();
      assertTrue(first.hasReset());
      assertEquals(ResetReason.RESET_REASON_EPOCH, first.getReset().getReason());
      assertFalse(first.getPosition().isEmpty());
    }
  }
}
