package dev.missioncontrol.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Decides which agent gets which task. Coordinators dial the scheduler; it has no database.
 * # The conversation (Schedule)
 * 1. The coordinator's first messages are its snapshot: ScheduleRequests with `snapshot` = true, the last of them with
 *    `snapshot_complete` = true. Until then the scheduler places nothing of it. Everything it knew from an earlier stream of
 *    the same coordinator is void, and that stream is ended.
 * 2. Then come changes, in the order of the coordinator's commits. Agents are sent whole, whenever anything about them changed:
 *    the load in them is absolute, so a lost or repeated message does no harm. Tasks are added once and removed once.
 * 3. The scheduler answers with placements. It keeps each placement's slot and resources reserved until the result
 *    comes. The results, and the agents' load that they led to, are in the same ScheduleRequest. A coordinator that leaves
 *    a thousand responses unread is ended (RESOURCE_EXHAUSTED).
 * 4. Placements are proposals. The coordinator's transaction decides; a stale one is refused and harmless.
 * 5. While nothing waits that could use them, the scheduler offers agents in advance: a standing placement says to which
 *    agents new tasks of a group may go without being asked about. The coordinator then grants a task in the very
 *    transaction that creates it, to one of these agents with a free slot, the least loaded first, and never tells the
 *    scheduler of that task; the agents' load tells it enough. A task for which none has a free slot comes as in 2. An
 *    offer holds until it is replaced, withdrawn, or the stream ends. It reserves nothing: as with placements, the
 *    transaction decides.
 * 6. The stream may break at any time. The coordinator dials again and begins with 1.
 * 7. Of several schedulers one is active. Which one stands with a term in the coordinators' database; each choice raises the
 *    term. A scheduler refuses a stream (FAILED_PRECONDITION, reason SCHEDULER_SUPERSEDED) with a term lower than the highest
 *    that it was told: the coordinator has to look again. If there is another scheduler, the coordinator asks the active one
 *    every half second with `ping`; one that says nothing for 1.5 s is left, and another may be chosen.
 * # Several coordinators
 * What all coordinators tell is one view: a task that one tells of may go to an agent that another tells of. The placement
 * goes out on the stream of the agent's coordinator, which may not know the task, and which sends the result. After GRANTED
 * and TASK_GONE the scheduler forgets the task; that the coordinator that told of it says later that it is no longer ready
 * does no harm.
 * Numbers of groups are a stream's own. Of a task that two streams tell of, one is placed at a time; it stays until both have
 * removed it, and where one was granted or gone, the other's is tried once for itself. Of an agent that two streams tell of,
 * the higher session counts. Of a queue, the newest version counts. A stream that ends takes along everything that it told;
 * tasks of others that it has not answered for wait again. A group is only offered (5) agents of its own stream.
 * Only a window of the backlog is sent: per group at most some hundreds of tasks, with the count of the rest. The coordinator refills
 * a group by itself when half its window is gone.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class SchedulerServiceGrpc {

  private SchedulerServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "missioncontrol.v1.SchedulerService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.ScheduleRequest,
      dev.missioncontrol.v1.ScheduleResponse> getScheduleMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Schedule",
      requestType = dev.missioncontrol.v1.ScheduleRequest.class,
      responseType = dev.missioncontrol.v1.ScheduleResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.ScheduleRequest,
      dev.missioncontrol.v1.ScheduleResponse> getScheduleMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.ScheduleRequest, dev.missioncontrol.v1.ScheduleResponse> getScheduleMethod;
    if ((getScheduleMethod = SchedulerServiceGrpc.getScheduleMethod) == null) {
      synchronized (SchedulerServiceGrpc.class) {
        if ((getScheduleMethod = SchedulerServiceGrpc.getScheduleMethod) == null) {
          SchedulerServiceGrpc.getScheduleMethod = getScheduleMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.ScheduleRequest, dev.missioncontrol.v1.ScheduleResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Schedule"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ScheduleRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ScheduleResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SchedulerServiceMethodDescriptorSupplier("Schedule"))
              .build();
        }
      }
    }
    return getScheduleMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static SchedulerServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceStub>() {
        @java.lang.Override
        public SchedulerServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SchedulerServiceStub(channel, callOptions);
        }
      };
    return SchedulerServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static SchedulerServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceBlockingV2Stub>() {
        @java.lang.Override
        public SchedulerServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SchedulerServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return SchedulerServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static SchedulerServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceBlockingStub>() {
        @java.lang.Override
        public SchedulerServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SchedulerServiceBlockingStub(channel, callOptions);
        }
      };
    return SchedulerServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static SchedulerServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SchedulerServiceFutureStub>() {
        @java.lang.Override
        public SchedulerServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SchedulerServiceFutureStub(channel, callOptions);
        }
      };
    return SchedulerServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Decides which agent gets which task. Coordinators dial the scheduler; it has no database.
   * # The conversation (Schedule)
   * 1. The coordinator's first messages are its snapshot: ScheduleRequests with `snapshot` = true, the last of them with
   *    `snapshot_complete` = true. Until then the scheduler places nothing of it. Everything it knew from an earlier stream of
   *    the same coordinator is void, and that stream is ended.
   * 2. Then come changes, in the order of the coordinator's commits. Agents are sent whole, whenever anything about them changed:
   *    the load in them is absolute, so a lost or repeated message does no harm. Tasks are added once and removed once.
   * 3. The scheduler answers with placements. It keeps each placement's slot and resources reserved until the result
   *    comes. The results, and the agents' load that they led to, are in the same ScheduleRequest. A coordinator that leaves
   *    a thousand responses unread is ended (RESOURCE_EXHAUSTED).
   * 4. Placements are proposals. The coordinator's transaction decides; a stale one is refused and harmless.
   * 5. While nothing waits that could use them, the scheduler offers agents in advance: a standing placement says to which
   *    agents new tasks of a group may go without being asked about. The coordinator then grants a task in the very
   *    transaction that creates it, to one of these agents with a free slot, the least loaded first, and never tells the
   *    scheduler of that task; the agents' load tells it enough. A task for which none has a free slot comes as in 2. An
   *    offer holds until it is replaced, withdrawn, or the stream ends. It reserves nothing: as with placements, the
   *    transaction decides.
   * 6. The stream may break at any time. The coordinator dials again and begins with 1.
   * 7. Of several schedulers one is active. Which one stands with a term in the coordinators' database; each choice raises the
   *    term. A scheduler refuses a stream (FAILED_PRECONDITION, reason SCHEDULER_SUPERSEDED) with a term lower than the highest
   *    that it was told: the coordinator has to look again. If there is another scheduler, the coordinator asks the active one
   *    every half second with `ping`; one that says nothing for 1.5 s is left, and another may be chosen.
   * # Several coordinators
   * What all coordinators tell is one view: a task that one tells of may go to an agent that another tells of. The placement
   * goes out on the stream of the agent's coordinator, which may not know the task, and which sends the result. After GRANTED
   * and TASK_GONE the scheduler forgets the task; that the coordinator that told of it says later that it is no longer ready
   * does no harm.
   * Numbers of groups are a stream's own. Of a task that two streams tell of, one is placed at a time; it stays until both have
   * removed it, and where one was granted or gone, the other's is tried once for itself. Of an agent that two streams tell of,
   * the higher session counts. Of a queue, the newest version counts. A stream that ends takes along everything that it told;
   * tasks of others that it has not answered for wait again. A group is only offered (5) agents of its own stream.
   * Only a window of the backlog is sent: per group at most some hundreds of tasks, with the count of the rest. The coordinator refills
   * a group by itself when half its window is gone.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * The conversation above.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ScheduleRequest> schedule(
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ScheduleResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getScheduleMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service SchedulerService.
   * <pre>
   * Decides which agent gets which task. Coordinators dial the scheduler; it has no database.
   * # The conversation (Schedule)
   * 1. The coordinator's first messages are its snapshot: ScheduleRequests with `snapshot` = true, the last of them with
   *    `snapshot_complete` = true. Until then the scheduler places nothing of it. Everything it knew from an earlier stream of
   *    the same coordinator is void, and that stream is ended.
   * 2. Then come changes, in the order of the coordinator's commits. Agents are sent whole, whenever anything about them changed:
   *    the load in them is absolute, so a lost or repeated message does no harm. Tasks are added once and removed once.
   * 3. The scheduler answers with placements. It keeps each placement's slot and resources reserved until the result
   *    comes. The results, and the agents' load that they led to, are in the same ScheduleRequest. A coordinator that leaves
   *    a thousand responses unread is ended (RESOURCE_EXHAUSTED).
   * 4. Placements are proposals. The coordinator's transaction decides; a stale one is refused and harmless.
   * 5. While nothing waits that could use them, the scheduler offers agents in advance: a standing placement says to which
   *    agents new tasks of a group may go without being asked about. The coordinator then grants a task in the very
   *    transaction that creates it, to one of these agents with a free slot, the least loaded first, and never tells the
   *    scheduler of that task; the agents' load tells it enough. A task for which none has a free slot comes as in 2. An
   *    offer holds until it is replaced, withdrawn, or the stream ends. It reserves nothing: as with placements, the
   *    transaction decides.
   * 6. The stream may break at any time. The coordinator dials again and begins with 1.
   * 7. Of several schedulers one is active. Which one stands with a term in the coordinators' database; each choice raises the
   *    term. A scheduler refuses a stream (FAILED_PRECONDITION, reason SCHEDULER_SUPERSEDED) with a term lower than the highest
   *    that it was told: the coordinator has to look again. If there is another scheduler, the coordinator asks the active one
   *    every half second with `ping`; one that says nothing for 1.5 s is left, and another may be chosen.
   * # Several coordinators
   * What all coordinators tell is one view: a task that one tells of may go to an agent that another tells of. The placement
   * goes out on the stream of the agent's coordinator, which may not know the task, and which sends the result. After GRANTED
   * and TASK_GONE the scheduler forgets the task; that the coordinator that told of it says later that it is no longer ready
   * does no harm.
   * Numbers of groups are a stream's own. Of a task that two streams tell of, one is placed at a time; it stays until both have
   * removed it, and where one was granted or gone, the other's is tried once for itself. Of an agent that two streams tell of,
   * the higher session counts. Of a queue, the newest version counts. A stream that ends takes along everything that it told;
   * tasks of others that it has not answered for wait again. A group is only offered (5) agents of its own stream.
   * Only a window of the backlog is sent: per group at most some hundreds of tasks, with the count of the rest. The coordinator refills
   * a group by itself when half its window is gone.
   * </pre>
   */
  public static abstract class SchedulerServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return SchedulerServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service SchedulerService.
   * <pre>
   * Decides which agent gets which task. Coordinators dial the scheduler; it has no database.
   * # The conversation (Schedule)
   * 1. The coordinator's first messages are its snapshot: ScheduleRequests with `snapshot` = true, the last of them with
   *    `snapshot_complete` = true. Until then the scheduler places nothing of it. Everything it knew from an earlier stream of
   *    the same coordinator is void, and that stream is ended.
   * 2. Then come changes, in the order of the coordinator's commits. Agents are sent whole, whenever anything about them changed:
   *    the load in them is absolute, so a lost or repeated message does no harm. Tasks are added once and removed once.
   * 3. The scheduler answers with placements. It keeps each placement's slot and resources reserved until the result
   *    comes. The results, and the agents' load that they led to, are in the same ScheduleRequest. A coordinator that leaves
   *    a thousand responses unread is ended (RESOURCE_EXHAUSTED).
   * 4. Placements are proposals. The coordinator's transaction decides; a stale one is refused and harmless.
   * 5. While nothing waits that could use them, the scheduler offers agents in advance: a standing placement says to which
   *    agents new tasks of a group may go without being asked about. The coordinator then grants a task in the very
   *    transaction that creates it, to one of these agents with a free slot, the least loaded first, and never tells the
   *    scheduler of that task; the agents' load tells it enough. A task for which none has a free slot comes as in 2. An
   *    offer holds until it is replaced, withdrawn, or the stream ends. It reserves nothing: as with placements, the
   *    transaction decides.
   * 6. The stream may break at any time. The coordinator dials again and begins with 1.
   * 7. Of several schedulers one is active. Which one stands with a term in the coordinators' database; each choice raises the
   *    term. A scheduler refuses a stream (FAILED_PRECONDITION, reason SCHEDULER_SUPERSEDED) with a term lower than the highest
   *    that it was told: the coordinator has to look again. If there is another scheduler, the coordinator asks the active one
   *    every half second with `ping`; one that says nothing for 1.5 s is left, and another may be chosen.
   * # Several coordinators
   * What all coordinators tell is one view: a task that one tells of may go to an agent that another tells of. The placement
   * goes out on the stream of the agent's coordinator, which may not know the task, and which sends the result. After GRANTED
   * and TASK_GONE the scheduler forgets the task; that the coordinator that told of it says later that it is no longer ready
   * does no harm.
   * Numbers of groups are a stream's own. Of a task that two streams tell of, one is placed at a time; it stays until both have
   * removed it, and where one was granted or gone, the other's is tried once for itself. Of an agent that two streams tell of,
   * the higher session counts. Of a queue, the newest version counts. A stream that ends takes along everything that it told;
   * tasks of others that it has not answered for wait again. A group is only offered (5) agents of its own stream.
   * Only a window of the backlog is sent: per group at most some hundreds of tasks, with the count of the rest. The coordinator refills
   * a group by itself when half its window is gone.
   * </pre>
   */
  public static final class SchedulerServiceStub
      extends io.grpc.stub.AbstractAsyncStub<SchedulerServiceStub> {
    private SchedulerServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SchedulerServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SchedulerServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * The conversation above.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ScheduleRequest> schedule(
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ScheduleResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getScheduleMethod(), getCallOptions()), responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service SchedulerService.
   * <pre>
   * Decides which agent gets which task. Coordinators dial the scheduler; it has no database.
   * # The conversation (Schedule)
   * 1. The coordinator's first messages are its snapshot: ScheduleRequests with `snapshot` = true, the last of them with
   *    `snapshot_complete` = true. Until then the scheduler places nothing of it. Everything it knew from an earlier stream of
   *    the same coordinator is void, and that stream is ended.
   * 2. Then come changes, in the order of the coordinator's commits. Agents are sent whole, whenever anything about them changed:
   *    the load in them is absolute, so a lost or repeated message does no harm. Tasks are added once and removed once.
   * 3. The scheduler answers with placements. It keeps each placement's slot and resources reserved until the result
   *    comes. The results, and the agents' load that they led to, are in the same ScheduleRequest. A coordinator that leaves
   *    a thousand responses unread is ended (RESOURCE_EXHAUSTED).
   * 4. Placements are proposals. The coordinator's transaction decides; a stale one is refused and harmless.
   * 5. While nothing waits that could use them, the scheduler offers agents in advance: a standing placement says to which
   *    agents new tasks of a group may go without being asked about. The coordinator then grants a task in the very
   *    transaction that creates it, to one of these agents with a free slot, the least loaded first, and never tells the
   *    scheduler of that task; the agents' load tells it enough. A task for which none has a free slot comes as in 2. An
   *    offer holds until it is replaced, withdrawn, or the stream ends. It reserves nothing: as with placements, the
   *    transaction decides.
   * 6. The stream may break at any time. The coordinator dials again and begins with 1.
   * 7. Of several schedulers one is active. Which one stands with a term in the coordinators' database; each choice raises the
   *    term. A scheduler refuses a stream (FAILED_PRECONDITION, reason SCHEDULER_SUPERSEDED) with a term lower than the highest
   *    that it was told: the coordinator has to look again. If there is another scheduler, the coordinator asks the active one
   *    every half second with `ping`; one that says nothing for 1.5 s is left, and another may be chosen.
   * # Several coordinators
   * What all coordinators tell is one view: a task that one tells of may go to an agent that another tells of. The placement
   * goes out on the stream of the agent's coordinator, which may not know the task, and which sends the result. After GRANTED
   * and TASK_GONE the scheduler forgets the task; that the coordinator that told of it says later that it is no longer ready
   * does no harm.
   * Numbers of groups are a stream's own. Of a task that two streams tell of, one is placed at a time; it stays until both have
   * removed it, and where one was granted or gone, the other's is tried once for itself. Of an agent that two streams tell of,
   * the higher session counts. Of a queue, the newest version counts. A stream that ends takes along everything that it told;
   * tasks of others that it has not answered for wait again. A group is only offered (5) agents of its own stream.
   * Only a window of the backlog is sent: per group at most some hundreds of tasks, with the count of the rest. The coordinator refills
   * a group by itself when half its window is gone.
   * </pre>
   */
  public static final class SchedulerServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<SchedulerServiceBlockingV2Stub> {
    private SchedulerServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SchedulerServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SchedulerServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * The conversation above.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<dev.missioncontrol.v1.ScheduleRequest, dev.missioncontrol.v1.ScheduleResponse>
        schedule() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getScheduleMethod(), getCallOptions());
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service SchedulerService.
   * <pre>
   * Decides which agent gets which task. Coordinators dial the scheduler; it has no database.
   * # The conversation (Schedule)
   * 1. The coordinator's first messages are its snapshot: ScheduleRequests with `snapshot` = true, the last of them with
   *    `snapshot_complete` = true. Until then the scheduler places nothing of it. Everything it knew from an earlier stream of
   *    the same coordinator is void, and that stream is ended.
   * 2. Then come changes, in the order of the coordinator's commits. Agents are sent whole, whenever anything about them changed:
   *    the load in them is absolute, so a lost or repeated message does no harm. Tasks are added once and removed once.
   * 3. The scheduler answers with placements. It keeps each placement's slot and resources reserved until the result
   *    comes. The results, and the agents' load that they led to, are in the same ScheduleRequest. A coordinator that leaves
   *    a thousand responses unread is ended (RESOURCE_EXHAUSTED).
   * 4. Placements are proposals. The coordinator's transaction decides; a stale one is refused and harmless.
   * 5. While nothing waits that could use them, the scheduler offers agents in advance: a standing placement says to which
   *    agents new tasks of a group may go without being asked about. The coordinator then grants a task in the very
   *    transaction that creates it, to one of these agents with a free slot, the least loaded first, and never tells the
   *    scheduler of that task; the agents' load tells it enough. A task for which none has a free slot comes as in 2. An
   *    offer holds until it is replaced, withdrawn, or the stream ends. It reserves nothing: as with placements, the
   *    transaction decides.
   * 6. The stream may break at any time. The coordinator dials again and begins with 1.
   * 7. Of several schedulers one is active. Which one stands with a term in the coordinators' database; each choice raises the
   *    term. A scheduler refuses a stream (FAILED_PRECONDITION, reason SCHEDULER_SUPERSEDED) with a term lower than the highest
   *    that it was told: the coordinator has to look again. If there is another scheduler, the coordinator asks the active one
   *    every half second with `ping`; one that says nothing for 1.5 s is left, and another may be chosen.
   * # Several coordinators
   * What all coordinators tell is one view: a task that one tells of may go to an agent that another tells of. The placement
   * goes out on the stream of the agent's coordinator, which may not know the task, and which sends the result. After GRANTED
   * and TASK_GONE the scheduler forgets the task; that the coordinator that told of it says later that it is no longer ready
   * does no harm.
   * Numbers of groups are a stream's own. Of a task that two streams tell of, one is placed at a time; it stays until both have
   * removed it, and where one was granted or gone, the other's is tried once for itself. Of an agent that two streams tell of,
   * the higher session counts. Of a queue, the newest version counts. A stream that ends takes along everything that it told;
   * tasks of others that it has not answered for wait again. A group is only offered (5) agents of its own stream.
   * Only a window of the backlog is sent: per group at most some hundreds of tasks, with the count of the rest. The coordinator refills
   * a group by itself when half its window is gone.
   * </pre>
   */
  public static final class SchedulerServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<SchedulerServiceBlockingStub> {
    private SchedulerServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SchedulerServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SchedulerServiceBlockingStub(channel, callOptions);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service SchedulerService.
   * <pre>
   * Decides which agent gets which task. Coordinators dial the scheduler; it has no database.
   * # The conversation (Schedule)
   * 1. The coordinator's first messages are its snapshot: ScheduleRequests with `snapshot` = true, the last of them with
   *    `snapshot_complete` = true. Until then the scheduler places nothing of it. Everything it knew from an earlier stream of
   *    the same coordinator is void, and that stream is ended.
   * 2. Then come changes, in the order of the coordinator's commits. Agents are sent whole, whenever anything about them changed:
   *    the load in them is absolute, so a lost or repeated message does no harm. Tasks are added once and removed once.
   * 3. The scheduler answers with placements. It keeps each placement's slot and resources reserved until the result
   *    comes. The results, and the agents' load that they led to, are in the same ScheduleRequest. A coordinator that leaves
   *    a thousand responses unread is ended (RESOURCE_EXHAUSTED).
   * 4. Placements are proposals. The coordinator's transaction decides; a stale one is refused and harmless.
   * 5. While nothing waits that could use them, the scheduler offers agents in advance: a standing placement says to which
   *    agents new tasks of a group may go without being asked about. The coordinator then grants a task in the very
   *    transaction that creates it, to one of these agents with a free slot, the least loaded first, and never tells the
   *    scheduler of that task; the agents' load tells it enough. A task for which none has a free slot comes as in 2. An
   *    offer holds until it is replaced, withdrawn, or the stream ends. It reserves nothing: as with placements, the
   *    transaction decides.
   * 6. The stream may break at any time. The coordinator dials again and begins with 1.
   * 7. Of several schedulers one is active. Which one stands with a term in the coordinators' database; each choice raises the
   *    term. A scheduler refuses a stream (FAILED_PRECONDITION, reason SCHEDULER_SUPERSEDED) with a term lower than the highest
   *    that it was told: the coordinator has to look again. If there is another scheduler, the coordinator asks the active one
   *    every half second with `ping`; one that says nothing for 1.5 s is left, and another may be chosen.
   * # Several coordinators
   * What all coordinators tell is one view: a task that one tells of may go to an agent that another tells of. The placement
   * goes out on the stream of the agent's coordinator, which may not know the task, and which sends the result. After GRANTED
   * and TASK_GONE the scheduler forgets the task; that the coordinator that told of it says later that it is no longer ready
   * does no harm.
   * Numbers of groups are a stream's own. Of a task that two streams tell of, one is placed at a time; it stays until both have
   * removed it, and where one was granted or gone, the other's is tried once for itself. Of an agent that two streams tell of,
   * the higher session counts. Of a queue, the newest version counts. A stream that ends takes along everything that it told;
   * tasks of others that it has not answered for wait again. A group is only offered (5) agents of its own stream.
   * Only a window of the backlog is sent: per group at most some hundreds of tasks, with the count of the rest. The coordinator refills
   * a group by itself when half its window is gone.
   * </pre>
   */
  public static final class SchedulerServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<SchedulerServiceFutureStub> {
    private SchedulerServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SchedulerServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SchedulerServiceFutureStub(channel, callOptions);
    }
  }

  private static final int METHODID_SCHEDULE = 0;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_SCHEDULE:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.schedule(
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ScheduleResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getScheduleMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              dev.missioncontrol.v1.ScheduleRequest,
              dev.missioncontrol.v1.ScheduleResponse>(
                service, METHODID_SCHEDULE)))
        .build();
  }

  private static abstract class SchedulerServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    SchedulerServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.missioncontrol.v1.SchedulerServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("SchedulerService");
    }
  }

  private static final class SchedulerServiceFileDescriptorSupplier
      extends SchedulerServiceBaseDescriptorSupplier {
    SchedulerServiceFileDescriptorSupplier() {}
  }

  private static final class SchedulerServiceMethodDescriptorSupplier
      extends SchedulerServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    SchedulerServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (SchedulerServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new SchedulerServiceFileDescriptorSupplier())
              .addMethod(getScheduleMethod())
              .build();
        }
      }
    }
    return result;
  }
}
