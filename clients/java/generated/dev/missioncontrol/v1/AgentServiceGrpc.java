package dev.missioncontrol.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * The agents' conversation with the coordinator, and what operators do with agents.
 * # The conversation (Connect)
 *     agent                                   coordinator
 *       Hello ──────────────────────────────▶   binds the agent to a new session
 *             ◀────────────────────────────── Welcome (which leases to keep, which to drop; the intervals)
 *       Heartbeat ──────────────────────────▶
 *             ◀────────────────────────────── HeartbeatEcho
 *             ◀────────────────────────────── LeaseBatch
 *       LeaseReceipt ───────────────────────▶   the agent has them; rejections come as reports
 *       ReportBatch (started, finished, …) ─▶
 *             ◀────────────────────────────── ReportAck, after the commit
 *             ◀────────────────────────────── Orders (cancel, recall, drain, follow output)
 *       Goodbye ────────────────────────────▶   the stream ends
 * 1. The first message of the agent is Hello, and nothing else may come before Welcome. Wrong or missing: the stream ends with
 *    INVALID_ARGUMENT or FAILED_PRECONDITION and an ErrorInfo that says why.
 * 2. Only the newest session of an agent counts. A second stream of the same incarnation ends the first with ABORTED, reason
 *    SESSION_SUPERSEDED. A stream of a newer incarnation ends the older incarnation for good: FAILED_PRECONDITION, reason
 *    INCARNATION_SUPERSEDED, at once and on every later Hello of it; that process must exit.
 * 3. Delivery and liveness share this stream. The agent sends a heartbeat every `heartbeat_interval`, also when idle. No echo
 *    for `echo_timeout`: the agent drops the stream and connects again, after a random wait of up to `reconnect_jitter_max`.
 *    A lease that heartbeats stop naming is not renewed. The agent stops the work of a lease by itself (kills its children)
 *    when two thirds of the lease's `ttl` have passed since it *sent* the last heartbeat that was echoed, by its monotonic clock.
 * 4. Every report carries the lease's token and a number that rises within the incarnation. The agent keeps a report until its
 *    number is acknowledged and, after a reconnect, sends what is left again, in order, with the same numbers. Acknowledged
 *    means committed. An outcome that was recorded before is acknowledged as if it were new; any other report of a lease
 *    that is not current is refused with STALE: the agent forgets it and stops that lease's work.
 * 5. A broken stream costs nothing by itself: the agent goes on working, connects again, and Hello names what it holds.
 *    A stream that ends without Goodbye, also with a half-close, is a broken one.
 * 6. Every message holds at most 128 items and about 256 KiB.
 * 7. Work whose lease is gone (dropped, refused) and that does not stop still takes a slot of the agent. If it takes longer than a
 *    moment, the agent connects again, and Hello offers as many slots less; when the work has ended, once more with all of them.
 * Unknown fields and unknown members of a oneof are ignored by both sides, so that sides one version apart work together.
 * # The same conversation without a stream (Exchange)
 * For networks that break streams. What is said is the same, message by message, and so is every rule above, with "stream" read as
 * "conversation"; only the carrying differs: calls, each with a list of messages either way.
 *     agent                                   coordinator
 *       call 1: Hello ──────────────────────▶   begins the conversation that the call names
 *             ◀────────────────────────────── answer 1: Welcome
 *       call 2: nothing to say ─────────────▶   waits until there is something to say
 *       call 3: Heartbeat, ReportBatch ─────▶   waits in its place
 *             ◀────────────────────────────── answer 2: empty, at once, since a newer call waits
 *             ◀────────────────────────────── answer 3: HeartbeatEcho, LeaseBatch
 *       call 4: … ──────────────────────────▶
 * A. The agent names each conversation with a UUID that was never used before, and numbers its calls from 1. Call 1 begins with
 *    Hello. An agent that connects again begins another conversation; the rest of point 2 holds for it as for a stream.
 * B. Messages count in the order of the calls' numbers, those of answers as well, in whichever order calls and answers arrive.
 * C. At most two calls are on their way: call n is made after answer n - 2 has come. So an agent always has one call waiting, and says
 *    what it has to say at once with a second one, which ends the wait of the first.
 * D. A call whose answer did not come is made again, the very same. Its messages count once; if it was answered before, it gets that
 *    answer again. So lost and doubled calls, and lost answers, change nothing.
 * E. A call waits at most for its `wait`, and 20 s, and is then answered with nothing. The conversation itself ends as a stream does:
 *    after Goodbye, with an error, or when no heartbeat came for too long.
 * F. A conversation that the coordinator does not know, since it is over, or another coordinator's, or lost with a restart, is answered
 *    with ABORTED, reason CONVERSATION_UNKNOWN: the agent begins another one, with Hello.
 * G. The messages of one call are at most about 1 MiB together, those of an answer, too.
 * H. Every call carries the conversation in the metadata `missioncontrol-conversation`, too: what balances calls over several
 *    coordinators has to send all of one conversation to the same, and can do so by this.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class AgentServiceGrpc {

  private AgentServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "missioncontrol.v1.AgentService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.AgentMessage,
      dev.missioncontrol.v1.CoordinatorMessage> getConnectMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Connect",
      requestType = dev.missioncontrol.v1.AgentMessage.class,
      responseType = dev.missioncontrol.v1.CoordinatorMessage.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.AgentMessage,
      dev.missioncontrol.v1.CoordinatorMessage> getConnectMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.AgentMessage, dev.missioncontrol.v1.CoordinatorMessage> getConnectMethod;
    if ((getConnectMethod = AgentServiceGrpc.getConnectMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getConnectMethod = AgentServiceGrpc.getConnectMethod) == null) {
          AgentServiceGrpc.getConnectMethod = getConnectMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.AgentMessage, dev.missioncontrol.v1.CoordinatorMessage>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Connect"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.AgentMessage.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.CoordinatorMessage.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("Connect"))
              .build();
        }
      }
    }
    return getConnectMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.ExchangeRequest,
      dev.missioncontrol.v1.ExchangeResponse> getExchangeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Exchange",
      requestType = dev.missioncontrol.v1.ExchangeRequest.class,
      responseType = dev.missioncontrol.v1.ExchangeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.ExchangeRequest,
      dev.missioncontrol.v1.ExchangeResponse> getExchangeMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.ExchangeRequest, dev.missioncontrol.v1.ExchangeResponse> getExchangeMethod;
    if ((getExchangeMethod = AgentServiceGrpc.getExchangeMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getExchangeMethod = AgentServiceGrpc.getExchangeMethod) == null) {
          AgentServiceGrpc.getExchangeMethod = getExchangeMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.ExchangeRequest, dev.missioncontrol.v1.ExchangeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Exchange"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ExchangeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ExchangeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("Exchange"))
              .build();
        }
      }
    }
    return getExchangeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListAgentsRequest,
      dev.missioncontrol.v1.ListAgentsResponse> getListAgentsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListAgents",
      requestType = dev.missioncontrol.v1.ListAgentsRequest.class,
      responseType = dev.missioncontrol.v1.ListAgentsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListAgentsRequest,
      dev.missioncontrol.v1.ListAgentsResponse> getListAgentsMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListAgentsRequest, dev.missioncontrol.v1.ListAgentsResponse> getListAgentsMethod;
    if ((getListAgentsMethod = AgentServiceGrpc.getListAgentsMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getListAgentsMethod = AgentServiceGrpc.getListAgentsMethod) == null) {
          AgentServiceGrpc.getListAgentsMethod = getListAgentsMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.ListAgentsRequest, dev.missioncontrol.v1.ListAgentsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListAgents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ListAgentsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ListAgentsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("ListAgents"))
              .build();
        }
      }
    }
    return getListAgentsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetAgentRequest,
      dev.missioncontrol.v1.GetAgentResponse> getGetAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetAgent",
      requestType = dev.missioncontrol.v1.GetAgentRequest.class,
      responseType = dev.missioncontrol.v1.GetAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetAgentRequest,
      dev.missioncontrol.v1.GetAgentResponse> getGetAgentMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetAgentRequest, dev.missioncontrol.v1.GetAgentResponse> getGetAgentMethod;
    if ((getGetAgentMethod = AgentServiceGrpc.getGetAgentMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getGetAgentMethod = AgentServiceGrpc.getGetAgentMethod) == null) {
          AgentServiceGrpc.getGetAgentMethod = getGetAgentMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.GetAgentRequest, dev.missioncontrol.v1.GetAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.GetAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.GetAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("GetAgent"))
              .build();
        }
      }
    }
    return getGetAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.CordonAgentRequest,
      dev.missioncontrol.v1.CordonAgentResponse> getCordonAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CordonAgent",
      requestType = dev.missioncontrol.v1.CordonAgentRequest.class,
      responseType = dev.missioncontrol.v1.CordonAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.CordonAgentRequest,
      dev.missioncontrol.v1.CordonAgentResponse> getCordonAgentMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.CordonAgentRequest, dev.missioncontrol.v1.CordonAgentResponse> getCordonAgentMethod;
    if ((getCordonAgentMethod = AgentServiceGrpc.getCordonAgentMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getCordonAgentMethod = AgentServiceGrpc.getCordonAgentMethod) == null) {
          AgentServiceGrpc.getCordonAgentMethod = getCordonAgentMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.CordonAgentRequest, dev.missioncontrol.v1.CordonAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CordonAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.CordonAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.CordonAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("CordonAgent"))
              .build();
        }
      }
    }
    return getCordonAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.UncordonAgentRequest,
      dev.missioncontrol.v1.UncordonAgentResponse> getUncordonAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UncordonAgent",
      requestType = dev.missioncontrol.v1.UncordonAgentRequest.class,
      responseType = dev.missioncontrol.v1.UncordonAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.UncordonAgentRequest,
      dev.missioncontrol.v1.UncordonAgentResponse> getUncordonAgentMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.UncordonAgentRequest, dev.missioncontrol.v1.UncordonAgentResponse> getUncordonAgentMethod;
    if ((getUncordonAgentMethod = AgentServiceGrpc.getUncordonAgentMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getUncordonAgentMethod = AgentServiceGrpc.getUncordonAgentMethod) == null) {
          AgentServiceGrpc.getUncordonAgentMethod = getUncordonAgentMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.UncordonAgentRequest, dev.missioncontrol.v1.UncordonAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UncordonAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.UncordonAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.UncordonAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("UncordonAgent"))
              .build();
        }
      }
    }
    return getUncordonAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.DrainAgentRequest,
      dev.missioncontrol.v1.DrainAgentResponse> getDrainAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DrainAgent",
      requestType = dev.missioncontrol.v1.DrainAgentRequest.class,
      responseType = dev.missioncontrol.v1.DrainAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.DrainAgentRequest,
      dev.missioncontrol.v1.DrainAgentResponse> getDrainAgentMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.DrainAgentRequest, dev.missioncontrol.v1.DrainAgentResponse> getDrainAgentMethod;
    if ((getDrainAgentMethod = AgentServiceGrpc.getDrainAgentMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getDrainAgentMethod = AgentServiceGrpc.getDrainAgentMethod) == null) {
          AgentServiceGrpc.getDrainAgentMethod = getDrainAgentMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.DrainAgentRequest, dev.missioncontrol.v1.DrainAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DrainAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.DrainAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.DrainAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("DrainAgent"))
              .build();
        }
      }
    }
    return getDrainAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.ChangeAgentsRequest,
      dev.missioncontrol.v1.ChangeAgentsResponse> getChangeAgentsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ChangeAgents",
      requestType = dev.missioncontrol.v1.ChangeAgentsRequest.class,
      responseType = dev.missioncontrol.v1.ChangeAgentsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.ChangeAgentsRequest,
      dev.missioncontrol.v1.ChangeAgentsResponse> getChangeAgentsMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.ChangeAgentsRequest, dev.missioncontrol.v1.ChangeAgentsResponse> getChangeAgentsMethod;
    if ((getChangeAgentsMethod = AgentServiceGrpc.getChangeAgentsMethod) == null) {
      synchronized (AgentServiceGrpc.class) {
        if ((getChangeAgentsMethod = AgentServiceGrpc.getChangeAgentsMethod) == null) {
          AgentServiceGrpc.getChangeAgentsMethod = getChangeAgentsMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.ChangeAgentsRequest, dev.missioncontrol.v1.ChangeAgentsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ChangeAgents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ChangeAgentsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ChangeAgentsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AgentServiceMethodDescriptorSupplier("ChangeAgents"))
              .build();
        }
      }
    }
    return getChangeAgentsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static AgentServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AgentServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AgentServiceStub>() {
        @java.lang.Override
        public AgentServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AgentServiceStub(channel, callOptions);
        }
      };
    return AgentServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static AgentServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AgentServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AgentServiceBlockingV2Stub>() {
        @java.lang.Override
        public AgentServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AgentServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return AgentServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static AgentServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AgentServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AgentServiceBlockingStub>() {
        @java.lang.Override
        public AgentServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AgentServiceBlockingStub(channel, callOptions);
        }
      };
    return AgentServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static AgentServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AgentServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AgentServiceFutureStub>() {
        @java.lang.Override
        public AgentServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AgentServiceFutureStub(channel, callOptions);
        }
      };
    return AgentServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * The agents' conversation with the coordinator, and what operators do with agents.
   * # The conversation (Connect)
   *     agent                                   coordinator
   *       Hello ──────────────────────────────▶   binds the agent to a new session
   *             ◀────────────────────────────── Welcome (which leases to keep, which to drop; the intervals)
   *       Heartbeat ──────────────────────────▶
   *             ◀────────────────────────────── HeartbeatEcho
   *             ◀────────────────────────────── LeaseBatch
   *       LeaseReceipt ───────────────────────▶   the agent has them; rejections come as reports
   *       ReportBatch (started, finished, …) ─▶
   *             ◀────────────────────────────── ReportAck, after the commit
   *             ◀────────────────────────────── Orders (cancel, recall, drain, follow output)
   *       Goodbye ────────────────────────────▶   the stream ends
   * 1. The first message of the agent is Hello, and nothing else may come before Welcome. Wrong or missing: the stream ends with
   *    INVALID_ARGUMENT or FAILED_PRECONDITION and an ErrorInfo that says why.
   * 2. Only the newest session of an agent counts. A second stream of the same incarnation ends the first with ABORTED, reason
   *    SESSION_SUPERSEDED. A stream of a newer incarnation ends the older incarnation for good: FAILED_PRECONDITION, reason
   *    INCARNATION_SUPERSEDED, at once and on every later Hello of it; that process must exit.
   * 3. Delivery and liveness share this stream. The agent sends a heartbeat every `heartbeat_interval`, also when idle. No echo
   *    for `echo_timeout`: the agent drops the stream and connects again, after a random wait of up to `reconnect_jitter_max`.
   *    A lease that heartbeats stop naming is not renewed. The agent stops the work of a lease by itself (kills its children)
   *    when two thirds of the lease's `ttl` have passed since it *sent* the last heartbeat that was echoed, by its monotonic clock.
   * 4. Every report carries the lease's token and a number that rises within the incarnation. The agent keeps a report until its
   *    number is acknowledged and, after a reconnect, sends what is left again, in order, with the same numbers. Acknowledged
   *    means committed. An outcome that was recorded before is acknowledged as if it were new; any other report of a lease
   *    that is not current is refused with STALE: the agent forgets it and stops that lease's work.
   * 5. A broken stream costs nothing by itself: the agent goes on working, connects again, and Hello names what it holds.
   *    A stream that ends without Goodbye, also with a half-close, is a broken one.
   * 6. Every message holds at most 128 items and about 256 KiB.
   * 7. Work whose lease is gone (dropped, refused) and that does not stop still takes a slot of the agent. If it takes longer than a
   *    moment, the agent connects again, and Hello offers as many slots less; when the work has ended, once more with all of them.
   * Unknown fields and unknown members of a oneof are ignored by both sides, so that sides one version apart work together.
   * # The same conversation without a stream (Exchange)
   * For networks that break streams. What is said is the same, message by message, and so is every rule above, with "stream" read as
   * "conversation"; only the carrying differs: calls, each with a list of messages either way.
   *     agent                                   coordinator
   *       call 1: Hello ──────────────────────▶   begins the conversation that the call names
   *             ◀────────────────────────────── answer 1: Welcome
   *       call 2: nothing to say ─────────────▶   waits until there is something to say
   *       call 3: Heartbeat, ReportBatch ─────▶   waits in its place
   *             ◀────────────────────────────── answer 2: empty, at once, since a newer call waits
   *             ◀────────────────────────────── answer 3: HeartbeatEcho, LeaseBatch
   *       call 4: … ──────────────────────────▶
   * A. The agent names each conversation with a UUID that was never used before, and numbers its calls from 1. Call 1 begins with
   *    Hello. An agent that connects again begins another conversation; the rest of point 2 holds for it as for a stream.
   * B. Messages count in the order of the calls' numbers, those of answers as well, in whichever order calls and answers arrive.
   * C. At most two calls are on their way: call n is made after answer n - 2 has come. So an agent always has one call waiting, and says
   *    what it has to say at once with a second one, which ends the wait of the first.
   * D. A call whose answer did not come is made again, the very same. Its messages count once; if it was answered before, it gets that
   *    answer again. So lost and doubled calls, and lost answers, change nothing.
   * E. A call waits at most for its `wait`, and 20 s, and is then answered with nothing. The conversation itself ends as a stream does:
   *    after Goodbye, with an error, or when no heartbeat came for too long.
   * F. A conversation that the coordinator does not know, since it is over, or another coordinator's, or lost with a restart, is answered
   *    with ABORTED, reason CONVERSATION_UNKNOWN: the agent begins another one, with Hello.
   * G. The messages of one call are at most about 1 MiB together, those of an answer, too.
   * H. Every call carries the conversation in the metadata `missioncontrol-conversation`, too: what balances calls over several
   *    coordinators has to send all of one conversation to the same, and can do so by this.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * The conversation above. Errors: INVALID_ARGUMENT, FAILED_PRECONDITION (versions do not meet, incarnation superseded),
     * ABORTED (session superseded), UNAVAILABLE (connect again, perhaps elsewhere).
     * </pre>
     */
    default io.grpc.stub.StreamObserver<dev.missioncontrol.v1.AgentMessage> connect(
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CoordinatorMessage> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getConnectMethod(), responseObserver);
    }

    /**
     * <pre>
     * The conversation above without a stream, a call at a time. Errors: those of Connect; ABORTED with the reason
     * CONVERSATION_UNKNOWN. UNAVAILABLE without an ErrorInfo is not the coordinator's word: make the same call again.
     * </pre>
     */
    default void exchange(dev.missioncontrol.v1.ExchangeRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ExchangeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExchangeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists agents, by id.
     * </pre>
     */
    default void listAgents(dev.missioncontrol.v1.ListAgentsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListAgentsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListAgentsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads one agent. Errors: NOT_FOUND.
     * </pre>
     */
    default void getAgent(dev.missioncontrol.v1.GetAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * No new work for this agent; what it has goes on. After the OK no lease is granted to it. Errors: NOT_FOUND.
     * </pre>
     */
    default void cordonAgent(dev.missioncontrol.v1.CordonAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CordonAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCordonAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Takes the cordon off, and a drain that was ordered. Errors: NOT_FOUND.
     * </pre>
     */
    default void uncordonAgent(dev.missioncontrol.v1.UncordonAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.UncordonAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUncordonAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Orders the agent to take nothing new, and to finish or return what it has. Leases that have not started go back at once and
     * burn nothing. After the OK no lease is granted to it, nor to a new process of it, until the drain is taken off: by
     * UncordonAgent, or by ChangeAgents with RESUME. What it still holds ten seconds after the time limit is taken back. An order that
     * is repeated makes the time no longer. Errors: NOT_FOUND.
     * </pre>
     */
    default void drainAgent(dev.missioncontrol.v1.DrainAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.DrainAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDrainAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Cordons, uncordons, drains or resumes every agent that a selector finds, a page at a time: call it again with
     * `next_page_token` until there is none. With `preview` nothing changes. The agents in the answer show how far a drain is.
     * </pre>
     */
    default void changeAgents(dev.missioncontrol.v1.ChangeAgentsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ChangeAgentsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getChangeAgentsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service AgentService.
   * <pre>
   * The agents' conversation with the coordinator, and what operators do with agents.
   * # The conversation (Connect)
   *     agent                                   coordinator
   *       Hello ──────────────────────────────▶   binds the agent to a new session
   *             ◀────────────────────────────── Welcome (which leases to keep, which to drop; the intervals)
   *       Heartbeat ──────────────────────────▶
   *             ◀────────────────────────────── HeartbeatEcho
   *             ◀────────────────────────────── LeaseBatch
   *       LeaseReceipt ───────────────────────▶   the agent has them; rejections come as reports
   *       ReportBatch (started, finished, …) ─▶
   *             ◀────────────────────────────── ReportAck, after the commit
   *             ◀────────────────────────────── Orders (cancel, recall, drain, follow output)
   *       Goodbye ────────────────────────────▶   the stream ends
   * 1. The first message of the agent is Hello, and nothing else may come before Welcome. Wrong or missing: the stream ends with
   *    INVALID_ARGUMENT or FAILED_PRECONDITION and an ErrorInfo that says why.
   * 2. Only the newest session of an agent counts. A second stream of the same incarnation ends the first with ABORTED, reason
   *    SESSION_SUPERSEDED. A stream of a newer incarnation ends the older incarnation for good: FAILED_PRECONDITION, reason
   *    INCARNATION_SUPERSEDED, at once and on every later Hello of it; that process must exit.
   * 3. Delivery and liveness share this stream. The agent sends a heartbeat every `heartbeat_interval`, also when idle. No echo
   *    for `echo_timeout`: the agent drops the stream and connects again, after a random wait of up to `reconnect_jitter_max`.
   *    A lease that heartbeats stop naming is not renewed. The agent stops the work of a lease by itself (kills its children)
   *    when two thirds of the lease's `ttl` have passed since it *sent* the last heartbeat that was echoed, by its monotonic clock.
   * 4. Every report carries the lease's token and a number that rises within the incarnation. The agent keeps a report until its
   *    number is acknowledged and, after a reconnect, sends what is left again, in order, with the same numbers. Acknowledged
   *    means committed. An outcome that was recorded before is acknowledged as if it were new; any other report of a lease
   *    that is not current is refused with STALE: the agent forgets it and stops that lease's work.
   * 5. A broken stream costs nothing by itself: the agent goes on working, connects again, and Hello names what it holds.
   *    A stream that ends without Goodbye, also with a half-close, is a broken one.
   * 6. Every message holds at most 128 items and about 256 KiB.
   * 7. Work whose lease is gone (dropped, refused) and that does not stop still takes a slot of the agent. If it takes longer than a
   *    moment, the agent connects again, and Hello offers as many slots less; when the work has ended, once more with all of them.
   * Unknown fields and unknown members of a oneof are ignored by both sides, so that sides one version apart work together.
   * # The same conversation without a stream (Exchange)
   * For networks that break streams. What is said is the same, message by message, and so is every rule above, with "stream" read as
   * "conversation"; only the carrying differs: calls, each with a list of messages either way.
   *     agent                                   coordinator
   *       call 1: Hello ──────────────────────▶   begins the conversation that the call names
   *             ◀────────────────────────────── answer 1: Welcome
   *       call 2: nothing to say ─────────────▶   waits until there is something to say
   *       call 3: Heartbeat, ReportBatch ─────▶   waits in its place
   *             ◀────────────────────────────── answer 2: empty, at once, since a newer call waits
   *             ◀────────────────────────────── answer 3: HeartbeatEcho, LeaseBatch
   *       call 4: … ──────────────────────────▶
   * A. The agent names each conversation with a UUID that was never used before, and numbers its calls from 1. Call 1 begins with
   *    Hello. An agent that connects again begins another conversation; the rest of point 2 holds for it as for a stream.
   * B. Messages count in the order of the calls' numbers, those of answers as well, in whichever order calls and answers arrive.
   * C. At most two calls are on their way: call n is made after answer n - 2 has come. So an agent always has one call waiting, and says
   *    what it has to say at once with a second one, which ends the wait of the first.
   * D. A call whose answer did not come is made again, the very same. Its messages count once; if it was answered before, it gets that
   *    answer again. So lost and doubled calls, and lost answers, change nothing.
   * E. A call waits at most for its `wait`, and 20 s, and is then answered with nothing. The conversation itself ends as a stream does:
   *    after Goodbye, with an error, or when no heartbeat came for too long.
   * F. A conversation that the coordinator does not know, since it is over, or another coordinator's, or lost with a restart, is answered
   *    with ABORTED, reason CONVERSATION_UNKNOWN: the agent begins another one, with Hello.
   * G. The messages of one call are at most about 1 MiB together, those of an answer, too.
   * H. Every call carries the conversation in the metadata `missioncontrol-conversation`, too: what balances calls over several
   *    coordinators has to send all of one conversation to the same, and can do so by this.
   * </pre>
   */
  public static abstract class AgentServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return AgentServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service AgentService.
   * <pre>
   * The agents' conversation with the coordinator, and what operators do with agents.
   * # The conversation (Connect)
   *     agent                                   coordinator
   *       Hello ──────────────────────────────▶   binds the agent to a new session
   *             ◀────────────────────────────── Welcome (which leases to keep, which to drop; the intervals)
   *       Heartbeat ──────────────────────────▶
   *             ◀────────────────────────────── HeartbeatEcho
   *             ◀────────────────────────────── LeaseBatch
   *       LeaseReceipt ───────────────────────▶   the agent has them; rejections come as reports
   *       ReportBatch (started, finished, …) ─▶
   *             ◀────────────────────────────── ReportAck, after the commit
   *             ◀────────────────────────────── Orders (cancel, recall, drain, follow output)
   *       Goodbye ────────────────────────────▶   the stream ends
   * 1. The first message of the agent is Hello, and nothing else may come before Welcome. Wrong or missing: the stream ends with
   *    INVALID_ARGUMENT or FAILED_PRECONDITION and an ErrorInfo that says why.
   * 2. Only the newest session of an agent counts. A second stream of the same incarnation ends the first with ABORTED, reason
   *    SESSION_SUPERSEDED. A stream of a newer incarnation ends the older incarnation for good: FAILED_PRECONDITION, reason
   *    INCARNATION_SUPERSEDED, at once and on every later Hello of it; that process must exit.
   * 3. Delivery and liveness share this stream. The agent sends a heartbeat every `heartbeat_interval`, also when idle. No echo
   *    for `echo_timeout`: the agent drops the stream and connects again, after a random wait of up to `reconnect_jitter_max`.
   *    A lease that heartbeats stop naming is not renewed. The agent stops the work of a lease by itself (kills its children)
   *    when two thirds of the lease's `ttl` have passed since it *sent* the last heartbeat that was echoed, by its monotonic clock.
   * 4. Every report carries the lease's token and a number that rises within the incarnation. The agent keeps a report until its
   *    number is acknowledged and, after a reconnect, sends what is left again, in order, with the same numbers. Acknowledged
   *    means committed. An outcome that was recorded before is acknowledged as if it were new; any other report of a lease
   *    that is not current is refused with STALE: the agent forgets it and stops that lease's work.
   * 5. A broken stream costs nothing by itself: the agent goes on working, connects again, and Hello names what it holds.
   *    A stream that ends without Goodbye, also with a half-close, is a broken one.
   * 6. Every message holds at most 128 items and about 256 KiB.
   * 7. Work whose lease is gone (dropped, refused) and that does not stop still takes a slot of the agent. If it takes longer than a
   *    moment, the agent connects again, and Hello offers as many slots less; when the work has ended, once more with all of them.
   * Unknown fields and unknown members of a oneof are ignored by both sides, so that sides one version apart work together.
   * # The same conversation without a stream (Exchange)
   * For networks that break streams. What is said is the same, message by message, and so is every rule above, with "stream" read as
   * "conversation"; only the carrying differs: calls, each with a list of messages either way.
   *     agent                                   coordinator
   *       call 1: Hello ──────────────────────▶   begins the conversation that the call names
   *             ◀────────────────────────────── answer 1: Welcome
   *       call 2: nothing to say ─────────────▶   waits until there is something to say
   *       call 3: Heartbeat, ReportBatch ─────▶   waits in its place
   *             ◀────────────────────────────── answer 2: empty, at once, since a newer call waits
   *             ◀────────────────────────────── answer 3: HeartbeatEcho, LeaseBatch
   *       call 4: … ──────────────────────────▶
   * A. The agent names each conversation with a UUID that was never used before, and numbers its calls from 1. Call 1 begins with
   *    Hello. An agent that connects again begins another conversation; the rest of point 2 holds for it as for a stream.
   * B. Messages count in the order of the calls' numbers, those of answers as well, in whichever order calls and answers arrive.
   * C. At most two calls are on their way: call n is made after answer n - 2 has come. So an agent always has one call waiting, and says
   *    what it has to say at once with a second one, which ends the wait of the first.
   * D. A call whose answer did not come is made again, the very same. Its messages count once; if it was answered before, it gets that
   *    answer again. So lost and doubled calls, and lost answers, change nothing.
   * E. A call waits at most for its `wait`, and 20 s, and is then answered with nothing. The conversation itself ends as a stream does:
   *    after Goodbye, with an error, or when no heartbeat came for too long.
   * F. A conversation that the coordinator does not know, since it is over, or another coordinator's, or lost with a restart, is answered
   *    with ABORTED, reason CONVERSATION_UNKNOWN: the agent begins another one, with Hello.
   * G. The messages of one call are at most about 1 MiB together, those of an answer, too.
   * H. Every call carries the conversation in the metadata `missioncontrol-conversation`, too: what balances calls over several
   *    coordinators has to send all of one conversation to the same, and can do so by this.
   * </pre>
   */
  public static final class AgentServiceStub
      extends io.grpc.stub.AbstractAsyncStub<AgentServiceStub> {
    private AgentServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AgentServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AgentServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * The conversation above. Errors: INVALID_ARGUMENT, FAILED_PRECONDITION (versions do not meet, incarnation superseded),
     * ABORTED (session superseded), UNAVAILABLE (connect again, perhaps elsewhere).
     * </pre>
     */
    public io.grpc.stub.StreamObserver<dev.missioncontrol.v1.AgentMessage> connect(
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CoordinatorMessage> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getConnectMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * The conversation above without a stream, a call at a time. Errors: those of Connect; ABORTED with the reason
     * CONVERSATION_UNKNOWN. UNAVAILABLE without an ErrorInfo is not the coordinator's word: make the same call again.
     * </pre>
     */
    public void exchange(dev.missioncontrol.v1.ExchangeRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ExchangeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExchangeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists agents, by id.
     * </pre>
     */
    public void listAgents(dev.missioncontrol.v1.ListAgentsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListAgentsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListAgentsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads one agent. Errors: NOT_FOUND.
     * </pre>
     */
    public void getAgent(dev.missioncontrol.v1.GetAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * No new work for this agent; what it has goes on. After the OK no lease is granted to it. Errors: NOT_FOUND.
     * </pre>
     */
    public void cordonAgent(dev.missioncontrol.v1.CordonAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CordonAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCordonAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Takes the cordon off, and a drain that was ordered. Errors: NOT_FOUND.
     * </pre>
     */
    public void uncordonAgent(dev.missioncontrol.v1.UncordonAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.UncordonAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUncordonAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Orders the agent to take nothing new, and to finish or return what it has. Leases that have not started go back at once and
     * burn nothing. After the OK no lease is granted to it, nor to a new process of it, until the drain is taken off: by
     * UncordonAgent, or by ChangeAgents with RESUME. What it still holds ten seconds after the time limit is taken back. An order that
     * is repeated makes the time no longer. Errors: NOT_FOUND.
     * </pre>
     */
    public void drainAgent(dev.missioncontrol.v1.DrainAgentRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.DrainAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDrainAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Cordons, uncordons, drains or resumes every agent that a selector finds, a page at a time: call it again with
     * `next_page_token` until there is none. With `preview` nothing changes. The agents in the answer show how far a drain is.
     * </pre>
     */
    public void changeAgents(dev.missioncontrol.v1.ChangeAgentsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ChangeAgentsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getChangeAgentsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service AgentService.
   * <pre>
   * The agents' conversation with the coordinator, and what operators do with agents.
   * # The conversation (Connect)
   *     agent                                   coordinator
   *       Hello ──────────────────────────────▶   binds the agent to a new session
   *             ◀────────────────────────────── Welcome (which leases to keep, which to drop; the intervals)
   *       Heartbeat ──────────────────────────▶
   *             ◀────────────────────────────── HeartbeatEcho
   *             ◀────────────────────────────── LeaseBatch
   *       LeaseReceipt ───────────────────────▶   the agent has them; rejections come as reports
   *       ReportBatch (started, finished, …) ─▶
   *             ◀────────────────────────────── ReportAck, after the commit
   *             ◀────────────────────────────── Orders (cancel, recall, drain, follow output)
   *       Goodbye ────────────────────────────▶   the stream ends
   * 1. The first message of the agent is Hello, and nothing else may come before Welcome. Wrong or missing: the stream ends with
   *    INVALID_ARGUMENT or FAILED_PRECONDITION and an ErrorInfo that says why.
   * 2. Only the newest session of an agent counts. A second stream of the same incarnation ends the first with ABORTED, reason
   *    SESSION_SUPERSEDED. A stream of a newer incarnation ends the older incarnation for good: FAILED_PRECONDITION, reason
   *    INCARNATION_SUPERSEDED, at once and on every later Hello of it; that process must exit.
   * 3. Delivery and liveness share this stream. The agent sends a heartbeat every `heartbeat_interval`, also when idle. No echo
   *    for `echo_timeout`: the agent drops the stream and connects again, after a random wait of up to `reconnect_jitter_max`.
   *    A lease that heartbeats stop naming is not renewed. The agent stops the work of a lease by itself (kills its children)
   *    when two thirds of the lease's `ttl` have passed since it *sent* the last heartbeat that was echoed, by its monotonic clock.
   * 4. Every report carries the lease's token and a number that rises within the incarnation. The agent keeps a report until its
   *    number is acknowledged and, after a reconnect, sends what is left again, in order, with the same numbers. Acknowledged
   *    means committed. An outcome that was recorded before is acknowledged as if it were new; any other report of a lease
   *    that is not current is refused with STALE: the agent forgets it and stops that lease's work.
   * 5. A broken stream costs nothing by itself: the agent goes on working, connects again, and Hello names what it holds.
   *    A stream that ends without Goodbye, also with a half-close, is a broken one.
   * 6. Every message holds at most 128 items and about 256 KiB.
   * 7. Work whose lease is gone (dropped, refused) and that does not stop still takes a slot of the agent. If it takes longer than a
   *    moment, the agent connects again, and Hello offers as many slots less; when the work has ended, once more with all of them.
   * Unknown fields and unknown members of a oneof are ignored by both sides, so that sides one version apart work together.
   * # The same conversation without a stream (Exchange)
   * For networks that break streams. What is said is the same, message by message, and so is every rule above, with "stream" read as
   * "conversation"; only the carrying differs: calls, each with a list of messages either way.
   *     agent                                   coordinator
   *       call 1: Hello ──────────────────────▶   begins the conversation that the call names
   *             ◀────────────────────────────── answer 1: Welcome
   *       call 2: nothing to say ─────────────▶   waits until there is something to say
   *       call 3: Heartbeat, ReportBatch ─────▶   waits in its place
   *             ◀────────────────────────────── answer 2: empty, at once, since a newer call waits
   *             ◀────────────────────────────── answer 3: HeartbeatEcho, LeaseBatch
   *       call 4: … ──────────────────────────▶
   * A. The agent names each conversation with a UUID that was never used before, and numbers its calls from 1. Call 1 begins with
   *    Hello. An agent that connects again begins another conversation; the rest of point 2 holds for it as for a stream.
   * B. Messages count in the order of the calls' numbers, those of answers as well, in whichever order calls and answers arrive.
   * C. At most two calls are on their way: call n is made after answer n - 2 has come. So an agent always has one call waiting, and says
   *    what it has to say at once with a second one, which ends the wait of the first.
   * D. A call whose answer did not come is made again, the very same. Its messages count once; if it was answered before, it gets that
   *    answer again. So lost and doubled calls, and lost answers, change nothing.
   * E. A call waits at most for its `wait`, and 20 s, and is then answered with nothing. The conversation itself ends as a stream does:
   *    after Goodbye, with an error, or when no heartbeat came for too long.
   * F. A conversation that the coordinator does not know, since it is over, or another coordinator's, or lost with a restart, is answered
   *    with ABORTED, reason CONVERSATION_UNKNOWN: the agent begins another one, with Hello.
   * G. The messages of one call are at most about 1 MiB together, those of an answer, too.
   * H. Every call carries the conversation in the metadata `missioncontrol-conversation`, too: what balances calls over several
   *    coordinators has to send all of one conversation to the same, and can do so by this.
   * </pre>
   */
  public static final class AgentServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<AgentServiceBlockingV2Stub> {
    private AgentServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AgentServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AgentServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * The conversation above. Errors: INVALID_ARGUMENT, FAILED_PRECONDITION (versions do not meet, incarnation superseded),
     * ABORTED (session superseded), UNAVAILABLE (connect again, perhaps elsewhere).
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<dev.missioncontrol.v1.AgentMessage, dev.missioncontrol.v1.CoordinatorMessage>
        connect() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getConnectMethod(), getCallOptions());
    }

    /**
     * <pre>
     * The conversation above without a stream, a call at a time. Errors: those of Connect; ABORTED with the reason
     * CONVERSATION_UNKNOWN. UNAVAILABLE without an ErrorInfo is not the coordinator's word: make the same call again.
     * </pre>
     */
    public dev.missioncontrol.v1.ExchangeResponse exchange(dev.missioncontrol.v1.ExchangeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExchangeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists agents, by id.
     * </pre>
     */
    public dev.missioncontrol.v1.ListAgentsResponse listAgents(dev.missioncontrol.v1.ListAgentsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListAgentsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads one agent. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.GetAgentResponse getAgent(dev.missioncontrol.v1.GetAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * No new work for this agent; what it has goes on. After the OK no lease is granted to it. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.CordonAgentResponse cordonAgent(dev.missioncontrol.v1.CordonAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCordonAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes the cordon off, and a drain that was ordered. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.UncordonAgentResponse uncordonAgent(dev.missioncontrol.v1.UncordonAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUncordonAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Orders the agent to take nothing new, and to finish or return what it has. Leases that have not started go back at once and
     * burn nothing. After the OK no lease is granted to it, nor to a new process of it, until the drain is taken off: by
     * UncordonAgent, or by ChangeAgents with RESUME. What it still holds ten seconds after the time limit is taken back. An order that
     * is repeated makes the time no longer. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.DrainAgentResponse drainAgent(dev.missioncontrol.v1.DrainAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDrainAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cordons, uncordons, drains or resumes every agent that a selector finds, a page at a time: call it again with
     * `next_page_token` until there is none. With `preview` nothing changes. The agents in the answer show how far a drain is.
     * </pre>
     */
    public dev.missioncontrol.v1.ChangeAgentsResponse changeAgents(dev.missioncontrol.v1.ChangeAgentsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getChangeAgentsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service AgentService.
   * <pre>
   * The agents' conversation with the coordinator, and what operators do with agents.
   * # The conversation (Connect)
   *     agent                                   coordinator
   *       Hello ──────────────────────────────▶   binds the agent to a new session
   *             ◀────────────────────────────── Welcome (which leases to keep, which to drop; the intervals)
   *       Heartbeat ──────────────────────────▶
   *             ◀────────────────────────────── HeartbeatEcho
   *             ◀────────────────────────────── LeaseBatch
   *       LeaseReceipt ───────────────────────▶   the agent has them; rejections come as reports
   *       ReportBatch (started, finished, …) ─▶
   *             ◀────────────────────────────── ReportAck, after the commit
   *             ◀────────────────────────────── Orders (cancel, recall, drain, follow output)
   *       Goodbye ────────────────────────────▶   the stream ends
   * 1. The first message of the agent is Hello, and nothing else may come before Welcome. Wrong or missing: the stream ends with
   *    INVALID_ARGUMENT or FAILED_PRECONDITION and an ErrorInfo that says why.
   * 2. Only the newest session of an agent counts. A second stream of the same incarnation ends the first with ABORTED, reason
   *    SESSION_SUPERSEDED. A stream of a newer incarnation ends the older incarnation for good: FAILED_PRECONDITION, reason
   *    INCARNATION_SUPERSEDED, at once and on every later Hello of it; that process must exit.
   * 3. Delivery and liveness share this stream. The agent sends a heartbeat every `heartbeat_interval`, also when idle. No echo
   *    for `echo_timeout`: the agent drops the stream and connects again, after a random wait of up to `reconnect_jitter_max`.
   *    A lease that heartbeats stop naming is not renewed. The agent stops the work of a lease by itself (kills its children)
   *    when two thirds of the lease's `ttl` have passed since it *sent* the last heartbeat that was echoed, by its monotonic clock.
   * 4. Every report carries the lease's token and a number that rises within the incarnation. The agent keeps a report until its
   *    number is acknowledged and, after a reconnect, sends what is left again, in order, with the same numbers. Acknowledged
   *    means committed. An outcome that was recorded before is acknowledged as if it were new; any other report of a lease
   *    that is not current is refused with STALE: the agent forgets it and stops that lease's work.
   * 5. A broken stream costs nothing by itself: the agent goes on working, connects again, and Hello names what it holds.
   *    A stream that ends without Goodbye, also with a half-close, is a broken one.
   * 6. Every message holds at most 128 items and about 256 KiB.
   * 7. Work whose lease is gone (dropped, refused) and that does not stop still takes a slot of the agent. If it takes longer than a
   *    moment, the agent connects again, and Hello offers as many slots less; when the work has ended, once more with all of them.
   * Unknown fields and unknown members of a oneof are ignored by both sides, so that sides one version apart work together.
   * # The same conversation without a stream (Exchange)
   * For networks that break streams. What is said is the same, message by message, and so is every rule above, with "stream" read as
   * "conversation"; only the carrying differs: calls, each with a list of messages either way.
   *     agent                                   coordinator
   *       call 1: Hello ──────────────────────▶   begins the conversation that the call names
   *             ◀────────────────────────────── answer 1: Welcome
   *       call 2: nothing to say ─────────────▶   waits until there is something to say
   *       call 3: Heartbeat, ReportBatch ─────▶   waits in its place
   *             ◀────────────────────────────── answer 2: empty, at once, since a newer call waits
   *             ◀────────────────────────────── answer 3: HeartbeatEcho, LeaseBatch
   *       call 4: … ──────────────────────────▶
   * A. The agent names each conversation with a UUID that was never used before, and numbers its calls from 1. Call 1 begins with
   *    Hello. An agent that connects again begins another conversation; the rest of point 2 holds for it as for a stream.
   * B. Messages count in the order of the calls' numbers, those of answers as well, in whichever order calls and answers arrive.
   * C. At most two calls are on their way: call n is made after answer n - 2 has come. So an agent always has one call waiting, and says
   *    what it has to say at once with a second one, which ends the wait of the first.
   * D. A call whose answer did not come is made again, the very same. Its messages count once; if it was answered before, it gets that
   *    answer again. So lost and doubled calls, and lost answers, change nothing.
   * E. A call waits at most for its `wait`, and 20 s, and is then answered with nothing. The conversation itself ends as a stream does:
   *    after Goodbye, with an error, or when no heartbeat came for too long.
   * F. A conversation that the coordinator does not know, since it is over, or another coordinator's, or lost with a restart, is answered
   *    with ABORTED, reason CONVERSATION_UNKNOWN: the agent begins another one, with Hello.
   * G. The messages of one call are at most about 1 MiB together, those of an answer, too.
   * H. Every call carries the conversation in the metadata `missioncontrol-conversation`, too: what balances calls over several
   *    coordinators has to send all of one conversation to the same, and can do so by this.
   * </pre>
   */
  public static final class AgentServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<AgentServiceBlockingStub> {
    private AgentServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AgentServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AgentServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * The conversation above without a stream, a call at a time. Errors: those of Connect; ABORTED with the reason
     * CONVERSATION_UNKNOWN. UNAVAILABLE without an ErrorInfo is not the coordinator's word: make the same call again.
     * </pre>
     */
    public dev.missioncontrol.v1.ExchangeResponse exchange(dev.missioncontrol.v1.ExchangeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExchangeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists agents, by id.
     * </pre>
     */
    public dev.missioncontrol.v1.ListAgentsResponse listAgents(dev.missioncontrol.v1.ListAgentsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListAgentsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads one agent. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.GetAgentResponse getAgent(dev.missioncontrol.v1.GetAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * No new work for this agent; what it has goes on. After the OK no lease is granted to it. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.CordonAgentResponse cordonAgent(dev.missioncontrol.v1.CordonAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCordonAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes the cordon off, and a drain that was ordered. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.UncordonAgentResponse uncordonAgent(dev.missioncontrol.v1.UncordonAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUncordonAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Orders the agent to take nothing new, and to finish or return what it has. Leases that have not started go back at once and
     * burn nothing. After the OK no lease is granted to it, nor to a new process of it, until the drain is taken off: by
     * UncordonAgent, or by ChangeAgents with RESUME. What it still holds ten seconds after the time limit is taken back. An order that
     * is repeated makes the time no longer. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.DrainAgentResponse drainAgent(dev.missioncontrol.v1.DrainAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDrainAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cordons, uncordons, drains or resumes every agent that a selector finds, a page at a time: call it again with
     * `next_page_token` until there is none. With `preview` nothing changes. The agents in the answer show how far a drain is.
     * </pre>
     */
    public dev.missioncontrol.v1.ChangeAgentsResponse changeAgents(dev.missioncontrol.v1.ChangeAgentsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getChangeAgentsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service AgentService.
   * <pre>
   * The agents' conversation with the coordinator, and what operators do with agents.
   * # The conversation (Connect)
   *     agent                                   coordinator
   *       Hello ──────────────────────────────▶   binds the agent to a new session
   *             ◀────────────────────────────── Welcome (which leases to keep, which to drop; the intervals)
   *       Heartbeat ──────────────────────────▶
   *             ◀────────────────────────────── HeartbeatEcho
   *             ◀────────────────────────────── LeaseBatch
   *       LeaseReceipt ───────────────────────▶   the agent has them; rejections come as reports
   *       ReportBatch (started, finished, …) ─▶
   *             ◀────────────────────────────── ReportAck, after the commit
   *             ◀────────────────────────────── Orders (cancel, recall, drain, follow output)
   *       Goodbye ────────────────────────────▶   the stream ends
   * 1. The first message of the agent is Hello, and nothing else may come before Welcome. Wrong or missing: the stream ends with
   *    INVALID_ARGUMENT or FAILED_PRECONDITION and an ErrorInfo that says why.
   * 2. Only the newest session of an agent counts. A second stream of the same incarnation ends the first with ABORTED, reason
   *    SESSION_SUPERSEDED. A stream of a newer incarnation ends the older incarnation for good: FAILED_PRECONDITION, reason
   *    INCARNATION_SUPERSEDED, at once and on every later Hello of it; that process must exit.
   * 3. Delivery and liveness share this stream. The agent sends a heartbeat every `heartbeat_interval`, also when idle. No echo
   *    for `echo_timeout`: the agent drops the stream and connects again, after a random wait of up to `reconnect_jitter_max`.
   *    A lease that heartbeats stop naming is not renewed. The agent stops the work of a lease by itself (kills its children)
   *    when two thirds of the lease's `ttl` have passed since it *sent* the last heartbeat that was echoed, by its monotonic clock.
   * 4. Every report carries the lease's token and a number that rises within the incarnation. The agent keeps a report until its
   *    number is acknowledged and, after a reconnect, sends what is left again, in order, with the same numbers. Acknowledged
   *    means committed. An outcome that was recorded before is acknowledged as if it were new; any other report of a lease
   *    that is not current is refused with STALE: the agent forgets it and stops that lease's work.
   * 5. A broken stream costs nothing by itself: the agent goes on working, connects again, and Hello names what it holds.
   *    A stream that ends without Goodbye, also with a half-close, is a broken one.
   * 6. Every message holds at most 128 items and about 256 KiB.
   * 7. Work whose lease is gone (dropped, refused) and that does not stop still takes a slot of the agent. If it takes longer than a
   *    moment, the agent connects again, and Hello offers as many slots less; when the work has ended, once more with all of them.
   * Unknown fields and unknown members of a oneof are ignored by both sides, so that sides one version apart work together.
   * # The same conversation without a stream (Exchange)
   * For networks that break streams. What is said is the same, message by message, and so is every rule above, with "stream" read as
   * "conversation"; only the carrying differs: calls, each with a list of messages either way.
   *     agent                                   coordinator
   *       call 1: Hello ──────────────────────▶   begins the conversation that the call names
   *             ◀────────────────────────────── answer 1: Welcome
   *       call 2: nothing to say ─────────────▶   waits until there is something to say
   *       call 3: Heartbeat, ReportBatch ─────▶   waits in its place
   *             ◀────────────────────────────── answer 2: empty, at once, since a newer call waits
   *             ◀────────────────────────────── answer 3: HeartbeatEcho, LeaseBatch
   *       call 4: … ──────────────────────────▶
   * A. The agent names each conversation with a UUID that was never used before, and numbers its calls from 1. Call 1 begins with
   *    Hello. An agent that connects again begins another conversation; the rest of point 2 holds for it as for a stream.
   * B. Messages count in the order of the calls' numbers, those of answers as well, in whichever order calls and answers arrive.
   * C. At most two calls are on their way: call n is made after answer n - 2 has come. So an agent always has one call waiting, and says
   *    what it has to say at once with a second one, which ends the wait of the first.
   * D. A call whose answer did not come is made again, the very same. Its messages count once; if it was answered before, it gets that
   *    answer again. So lost and doubled calls, and lost answers, change nothing.
   * E. A call waits at most for its `wait`, and 20 s, and is then answered with nothing. The conversation itself ends as a stream does:
   *    after Goodbye, with an error, or when no heartbeat came for too long.
   * F. A conversation that the coordinator does not know, since it is over, or another coordinator's, or lost with a restart, is answered
   *    with ABORTED, reason CONVERSATION_UNKNOWN: the agent begins another one, with Hello.
   * G. The messages of one call are at most about 1 MiB together, those of an answer, too.
   * H. Every call carries the conversation in the metadata `missioncontrol-conversation`, too: what balances calls over several
   *    coordinators has to send all of one conversation to the same, and can do so by this.
   * </pre>
   */
  public static final class AgentServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<AgentServiceFutureStub> {
    private AgentServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AgentServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AgentServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * The conversation above without a stream, a call at a time. Errors: those of Connect; ABORTED with the reason
     * CONVERSATION_UNKNOWN. UNAVAILABLE without an ErrorInfo is not the coordinator's word: make the same call again.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.ExchangeResponse> exchange(
        dev.missioncontrol.v1.ExchangeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExchangeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists agents, by id.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.ListAgentsResponse> listAgents(
        dev.missioncontrol.v1.ListAgentsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListAgentsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads one agent. Errors: NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.GetAgentResponse> getAgent(
        dev.missioncontrol.v1.GetAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * No new work for this agent; what it has goes on. After the OK no lease is granted to it. Errors: NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.CordonAgentResponse> cordonAgent(
        dev.missioncontrol.v1.CordonAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCordonAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Takes the cordon off, and a drain that was ordered. Errors: NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.UncordonAgentResponse> uncordonAgent(
        dev.missioncontrol.v1.UncordonAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUncordonAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Orders the agent to take nothing new, and to finish or return what it has. Leases that have not started go back at once and
     * burn nothing. After the OK no lease is granted to it, nor to a new process of it, until the drain is taken off: by
     * UncordonAgent, or by ChangeAgents with RESUME. What it still holds ten seconds after the time limit is taken back. An order that
     * is repeated makes the time no longer. Errors: NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.DrainAgentResponse> drainAgent(
        dev.missioncontrol.v1.DrainAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDrainAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Cordons, uncordons, drains or resumes every agent that a selector finds, a page at a time: call it again with
     * `next_page_token` until there is none. With `preview` nothing changes. The agents in the answer show how far a drain is.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.ChangeAgentsResponse> changeAgents(
        dev.missioncontrol.v1.ChangeAgentsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getChangeAgentsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_EXCHANGE = 0;
  private static final int METHODID_LIST_AGENTS = 1;
  private static final int METHODID_GET_AGENT = 2;
  private static final int METHODID_CORDON_AGENT = 3;
  private static final int METHODID_UNCORDON_AGENT = 4;
  private static final int METHODID_DRAIN_AGENT = 5;
  private static final int METHODID_CHANGE_AGENTS = 6;
  private static final int METHODID_CONNECT = 7;

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
        case METHODID_EXCHANGE:
          serviceImpl.exchange((dev.missioncontrol.v1.ExchangeRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ExchangeResponse>) responseObserver);
          break;
        case METHODID_LIST_AGENTS:
          serviceImpl.listAgents((dev.missioncontrol.v1.ListAgentsRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListAgentsResponse>) responseObserver);
          break;
        case METHODID_GET_AGENT:
          serviceImpl.getAgent((dev.missioncontrol.v1.GetAgentRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetAgentResponse>) responseObserver);
          break;
        case METHODID_CORDON_AGENT:
          serviceImpl.cordonAgent((dev.missioncontrol.v1.CordonAgentRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CordonAgentResponse>) responseObserver);
          break;
        case METHODID_UNCORDON_AGENT:
          serviceImpl.uncordonAgent((dev.missioncontrol.v1.UncordonAgentRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.UncordonAgentResponse>) responseObserver);
          break;
        case METHODID_DRAIN_AGENT:
          serviceImpl.drainAgent((dev.missioncontrol.v1.DrainAgentRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.DrainAgentResponse>) responseObserver);
          break;
        case METHODID_CHANGE_AGENTS:
          serviceImpl.changeAgents((dev.missioncontrol.v1.ChangeAgentsRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ChangeAgentsResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_CONNECT:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.connect(
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CoordinatorMessage>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getConnectMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              dev.missioncontrol.v1.AgentMessage,
              dev.missioncontrol.v1.CoordinatorMessage>(
                service, METHODID_CONNECT)))
        .addMethod(
          getExchangeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.ExchangeRequest,
              dev.missioncontrol.v1.ExchangeResponse>(
                service, METHODID_EXCHANGE)))
        .addMethod(
          getListAgentsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.ListAgentsRequest,
              dev.missioncontrol.v1.ListAgentsResponse>(
                service, METHODID_LIST_AGENTS)))
        .addMethod(
          getGetAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.GetAgentRequest,
              dev.missioncontrol.v1.GetAgentResponse>(
                service, METHODID_GET_AGENT)))
        .addMethod(
          getCordonAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.CordonAgentRequest,
              dev.missioncontrol.v1.CordonAgentResponse>(
                service, METHODID_CORDON_AGENT)))
        .addMethod(
          getUncordonAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.UncordonAgentRequest,
              dev.missioncontrol.v1.UncordonAgentResponse>(
                service, METHODID_UNCORDON_AGENT)))
        .addMethod(
          getDrainAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.DrainAgentRequest,
              dev.missioncontrol.v1.DrainAgentResponse>(
                service, METHODID_DRAIN_AGENT)))
        .addMethod(
          getChangeAgentsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.ChangeAgentsRequest,
              dev.missioncontrol.v1.ChangeAgentsResponse>(
                service, METHODID_CHANGE_AGENTS)))
        .build();
  }

  private static abstract class AgentServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    AgentServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.missioncontrol.v1.AgentServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("AgentService");
    }
  }

  private static final class AgentServiceFileDescriptorSupplier
      extends AgentServiceBaseDescriptorSupplier {
    AgentServiceFileDescriptorSupplier() {}
  }

  private static final class AgentServiceMethodDescriptorSupplier
      extends AgentServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    AgentServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (AgentServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new AgentServiceFileDescriptorSupplier())
              .addMethod(getConnectMethod())
              .addMethod(getExchangeMethod())
              .addMethod(getListAgentsMethod())
              .addMethod(getGetAgentMethod())
              .addMethod(getCordonAgentMethod())
              .addMethod(getUncordonAgentMethod())
              .addMethod(getDrainAgentMethod())
              .addMethod(getChangeAgentsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
