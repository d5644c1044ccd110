package dev.missioncontrol.client;

import dev.missioncontrol.v1.CancelTaskRequest;
import dev.missioncontrol.v1.CreateTaskRequest;
import dev.missioncontrol.v1.EventServiceGrpc;
import dev.missioncontrol.v1.GetTaskRequest;
import dev.missioncontrol.v1.Task;
import dev.missioncontrol.v1.TaskServiceGrpc;
import dev.missioncontrol.v1.TaskServiceGrpc.TaskServiceBlockingStub;
import dev.missioncontrol.v1.TaskSpec;
import dev.missioncontrol.v1.TaskState;
import dev.missioncontrol.v1.WatchEventsRequest;
import dev.missioncontrol.v1.WatchEventsResponse;
import dev.missioncontrol.v1.WatchTaskRequest;
import dev.missioncontrol.v1.WatchTaskResponse;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * A client of one or more coordinators. Safe for several threads; close it when it is not needed
 * any more. All methods throw {@link ServiceException}.
 */
public final class MissionControl implements AutoCloseable {
  private final ManagedChannel connection;
  private final Channel channel;
  private final String namespace;
  private final TaskServiceBlockingStub tasks;

  private MissionControl(ManagedChannel connection, String namespace) {
    this.connection = connection;
    this.channel = ClientInterceptors.intercept(connection, new CallDefaults());
    this.namespace = namespace;
    this.tasks = TaskServiceGrpc.newBlockingStub(channel);
  }

  /**
   * Makes a client of coordinators' addresses, separated by commas, without TLS. Nothing is waited
   * for: the first call connects.
   */
  public static MissionControl connect(String addresses, String namespace) {
    return connect(addresses, namespace, InsecureChannelCredentials.create());
  }

  /** The same with credentials, such as those of {@link io.grpc.TlsChannelCredentials}. */
  public static MissionControl connect(
      String addresses, String namespace, ChannelCredentials credentials) {
    return new MissionControl(Channels.open(Addresses.parse(addresses), credentials), namespace);
  }

  /**
   * For the generated stubs of everything that has no method here: unary calls on it have a
   * deadline and are repeated. What they throw, {@link ServiceException#of(Throwable)} reads.
   */
  public Channel channel() {
    return channel;
  }

  /**
   * Submits one task, and returns it as accepted, without its payload. A request without a request
   * id gets one, so that the retries of this call make one task only. To repeat the call yourself
   * after an error, bring an id of your own. An empty namespace is the client's.
   */
  public Task submit(CreateTaskRequest request) {
    CreateTaskRequest.Builder complete = request.toBuilder();
    TaskSpec.Builder spec = complete.getSpecBuilder();
    if (spec.getNamespace().isEmpty()) {
      spec.setNamespace(namespace);
    }
    if (complete.getRequestId().isEmpty()) {
      complete.setRequestId(UUID.randomUUID().toString());
    }
    return call(() -> tasks.createTask(complete.build()).getTask());
  }

  /** Reads one task whole. */
  public Task get(String taskId) {
    GetTaskRequest request =
        GetTaskRequest.newBuilder().setNamespace(namespace).setTaskId(taskId).build();
    return call(() -> tasks.getTask(request).getTask());
  }

  /** Asks for a cancel. A task that an agent holds ends a little later: see {@link #await}. */
  public Task cancel(String taskId, String reason) {
    CancelTaskRequest request =
        CancelTaskRequest.newBuilder()
            .setNamespace(namespace)
            .setTaskId(taskId)
            .setReason(reason)
            .setRequestId(UUID.randomUUID().toString())
            .build();
    return call(() -> tasks.cancelTask(request).getTask());
  }

  /** Waits until the task has ended, and returns it whole, whatever became of it. */
  public Task await(String taskId) {
    try (Resumed<WatchTaskResponse> updates = watch(taskId)) {
      Task task = Task.getDefaultInstance();
      while (updates.hasNext()) {
        WatchTaskResponse update = updates.next();
        task = update.hasTask() ? update.getTask() : task;
      }
      return task;
    }
  }

  /** The task now, and again whenever it changed, up to its terminal state. */
  public Resumed<WatchTaskResponse> watch(String taskId) {
    WatchTaskRequest request =
        WatchTaskRequest.newBuilder().setNamespace(namespace).setTaskId(taskId).build();
    return new Resumed<>(
        () -> tasks.watchTask(request),
        update -> update.hasTask() && isTerminal(update.getTask().getState()),
        false,
        connection::isShutdown);
  }

  /**
   * What the feed holds after a position, in order and without gaps, and with {@code follow} then
   * what is to come. A stream that breaks is opened again after the last message that was handed
   * out. Keep the position of a message once its events are dealt with, to go on from there later.
   *
   * <p>A message with a Reset has no events: the position that was asked for cannot be continued,
   * so what the reader knows must be read anew. The feed goes on from that message's position.
   */
  public Resumed<WatchEventsResponse> follow(WatchEventsRequest request) {
    WatchEventsRequest.Builder place = request.toBuilder();
    if (place.getFilter().getNamespace().isEmpty()) {
      place.getFilterBuilder().setNamespace(namespace);
    }
    Supplier<Iterator<WatchEventsResponse>> open =
        () -> EventServiceGrpc.newBlockingStub(channel).watchEvents(place.build());
    return new Resumed<>(
        open, message -> remember(place, message), !request.getFollow(), connection::isShutdown);
  }

  /** Ends the connection and every call on it. */
  @Override
  public void close() {
    connection.shutdownNow();
  }

  /** Whether a state is final. */
  public static boolean isTerminal(TaskState state) {
    return switch (state) {
      case TASK_STATE_SUCCEEDED, TASK_STATE_FAILED, TASK_STATE_CANCELLED, TASK_STATE_EXPIRED ->
          true;
      default -> false;
    };
  }

  /** Never the last message: only the head, or the reader, ends the feed. */
  private static boolean remember(WatchEventsRequest.Builder place, WatchEventsResponse message) {
    if (!message.getPosition().isEmpty()) {
      place.setAfter(message.getPosition());
    }
    return false;
  }

  private static <T> T call(Supplier<T> action) {
    try {
      return action.get();
    } catch (StatusRuntimeException refused) {
      throw ServiceException.of(refused);
    }
  }
}
