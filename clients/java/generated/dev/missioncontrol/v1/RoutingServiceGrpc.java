package dev.missioncontrol.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Tells why work goes where it goes, or nowhere. Nothing here changes anything.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class RoutingServiceGrpc {

  private RoutingServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "missioncontrol.v1.RoutingService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.ExplainTaskRequest,
      dev.missioncontrol.v1.ExplainTaskResponse> getExplainTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExplainTask",
      requestType = dev.missioncontrol.v1.ExplainTaskRequest.class,
      responseType = dev.missioncontrol.v1.ExplainTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.ExplainTaskRequest,
      dev.missioncontrol.v1.ExplainTaskResponse> getExplainTaskMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.ExplainTaskRequest, dev.missioncontrol.v1.ExplainTaskResponse> getExplainTaskMethod;
    if ((getExplainTaskMethod = RoutingServiceGrpc.getExplainTaskMethod) == null) {
      synchronized (RoutingServiceGrpc.class) {
        if ((getExplainTaskMethod = RoutingServiceGrpc.getExplainTaskMethod) == null) {
          RoutingServiceGrpc.getExplainTaskMethod = getExplainTaskMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.ExplainTaskRequest, dev.missioncontrol.v1.ExplainTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExplainTask"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ExplainTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ExplainTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RoutingServiceMethodDescriptorSupplier("ExplainTask"))
              .build();
        }
      }
    }
    return getExplainTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.SimulatePlacementRequest,
      dev.missioncontrol.v1.SimulatePlacementResponse> getSimulatePlacementMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SimulatePlacement",
      requestType = dev.missioncontrol.v1.SimulatePlacementRequest.class,
      responseType = dev.missioncontrol.v1.SimulatePlacementResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.SimulatePlacementRequest,
      dev.missioncontrol.v1.SimulatePlacementResponse> getSimulatePlacementMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.SimulatePlacementRequest, dev.missioncontrol.v1.SimulatePlacementResponse> getSimulatePlacementMethod;
    if ((getSimulatePlacementMethod = RoutingServiceGrpc.getSimulatePlacementMethod) == null) {
      synchronized (RoutingServiceGrpc.class) {
        if ((getSimulatePlacementMethod = RoutingServiceGrpc.getSimulatePlacementMethod) == null) {
          RoutingServiceGrpc.getSimulatePlacementMethod = getSimulatePlacementMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.SimulatePlacementRequest, dev.missioncontrol.v1.SimulatePlacementResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SimulatePlacement"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.SimulatePlacementRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.SimulatePlacementResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RoutingServiceMethodDescriptorSupplier("SimulatePlacement"))
              .build();
        }
      }
    }
    return getSimulatePlacementMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetDepthsRequest,
      dev.missioncontrol.v1.GetDepthsResponse> getGetDepthsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetDepths",
      requestType = dev.missioncontrol.v1.GetDepthsRequest.class,
      responseType = dev.missioncontrol.v1.GetDepthsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetDepthsRequest,
      dev.missioncontrol.v1.GetDepthsResponse> getGetDepthsMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetDepthsRequest, dev.missioncontrol.v1.GetDepthsResponse> getGetDepthsMethod;
    if ((getGetDepthsMethod = RoutingServiceGrpc.getGetDepthsMethod) == null) {
      synchronized (RoutingServiceGrpc.class) {
        if ((getGetDepthsMethod = RoutingServiceGrpc.getGetDepthsMethod) == null) {
          RoutingServiceGrpc.getGetDepthsMethod = getGetDepthsMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.GetDepthsRequest, dev.missioncontrol.v1.GetDepthsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetDepths"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.GetDepthsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.GetDepthsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new RoutingServiceMethodDescriptorSupplier("GetDepths"))
              .build();
        }
      }
    }
    return getGetDepthsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static RoutingServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RoutingServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RoutingServiceStub>() {
        @java.lang.Override
        public RoutingServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RoutingServiceStub(channel, callOptions);
        }
      };
    return RoutingServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static RoutingServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RoutingServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RoutingServiceBlockingV2Stub>() {
        @java.lang.Override
        public RoutingServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RoutingServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return RoutingServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static RoutingServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RoutingServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RoutingServiceBlockingStub>() {
        @java.lang.Override
        public RoutingServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RoutingServiceBlockingStub(channel, callOptions);
        }
      };
    return RoutingServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static RoutingServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<RoutingServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<RoutingServiceFutureStub>() {
        @java.lang.Override
        public RoutingServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new RoutingServiceFutureStub(channel, callOptions);
        }
      };
    return RoutingServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Tells why work goes where it goes, or nowhere. Nothing here changes anything.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Says why a task waits, with the scheduler's own code. Errors: NOT_FOUND. A task that does not wait answers with reason
     * UNSPECIFIED and a message that says so.
     * </pre>
     */
    default void explainTask(dev.missioncontrol.v1.ExplainTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ExplainTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExplainTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * A dry run: where tasks like this one would go now, with the queue's policy or another one. Errors: INVALID_ARGUMENT as for
     * CreateTask and UpdateQueue; UNAVAILABLE without a scheduler.
     * </pre>
     */
    default void simulatePlacement(dev.missioncontrol.v1.SimulatePlacementRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.SimulatePlacementResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSimulatePlacementMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells how deep the queues are: by agent, by lane, by capability.
     * </pre>
     */
    default void getDepths(dev.missioncontrol.v1.GetDepthsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetDepthsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetDepthsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service RoutingService.
   * <pre>
   * Tells why work goes where it goes, or nowhere. Nothing here changes anything.
   * </pre>
   */
  public static abstract class RoutingServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return RoutingServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service RoutingService.
   * <pre>
   * Tells why work goes where it goes, or nowhere. Nothing here changes anything.
   * </pre>
   */
  public static final class RoutingServiceStub
      extends io.grpc.stub.AbstractAsyncStub<RoutingServiceStub> {
    private RoutingServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RoutingServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RoutingServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Says why a task waits, with the scheduler's own code. Errors: NOT_FOUND. A task that does not wait answers with reason
     * UNSPECIFIED and a message that says so.
     * </pre>
     */
    public void explainTask(dev.missioncontrol.v1.ExplainTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ExplainTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExplainTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * A dry run: where tasks like this one would go now, with the queue's policy or another one. Errors: INVALID_ARGUMENT as for
     * CreateTask and UpdateQueue; UNAVAILABLE without a scheduler.
     * </pre>
     */
    public void simulatePlacement(dev.missioncontrol.v1.SimulatePlacementRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.SimulatePlacementResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSimulatePlacementMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tells how deep the queues are: by agent, by lane, by capability.
     * </pre>
     */
    public void getDepths(dev.missioncontrol.v1.GetDepthsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetDepthsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetDepthsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service RoutingService.
   * <pre>
   * Tells why work goes where it goes, or nowhere. Nothing here changes anything.
   * </pre>
   */
  public static final class RoutingServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<RoutingServiceBlockingV2Stub> {
    private RoutingServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RoutingServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RoutingServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Says why a task waits, with the scheduler's own code. Errors: NOT_FOUND. A task that does not wait answers with reason
     * UNSPECIFIED and a message that says so.
     * </pre>
     */
    public dev.missioncontrol.v1.ExplainTaskResponse explainTask(dev.missioncontrol.v1.ExplainTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExplainTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * A dry run: where tasks like this one would go now, with the queue's policy or another one. Errors: INVALID_ARGUMENT as for
     * CreateTask and UpdateQueue; UNAVAILABLE without a scheduler.
     * </pre>
     */
    public dev.missioncontrol.v1.SimulatePlacementResponse simulatePlacement(dev.missioncontrol.v1.SimulatePlacementRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSimulatePlacementMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells how deep the queues are: by agent, by lane, by capability.
     * </pre>
     */
    public dev.missioncontrol.v1.GetDepthsResponse getDepths(dev.missioncontrol.v1.GetDepthsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetDepthsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service RoutingService.
   * <pre>
   * Tells why work goes where it goes, or nowhere. Nothing here changes anything.
   * </pre>
   */
  public static final class RoutingServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<RoutingServiceBlockingStub> {
    private RoutingServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RoutingServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RoutingServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Says why a task waits, with the scheduler's own code. Errors: NOT_FOUND. A task that does not wait answers with reason
     * UNSPECIFIED and a message that says so.
     * </pre>
     */
    public dev.missioncontrol.v1.ExplainTaskResponse explainTask(dev.missioncontrol.v1.ExplainTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExplainTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * A dry run: where tasks like this one would go now, with the queue's policy or another one. Errors: INVALID_ARGUMENT as for
     * CreateTask and UpdateQueue; UNAVAILABLE without a scheduler.
     * </pre>
     */
    public dev.missioncontrol.v1.SimulatePlacementResponse simulatePlacement(dev.missioncontrol.v1.SimulatePlacementRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSimulatePlacementMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells how deep the queues are: by agent, by lane, by capability.
     * </pre>
     */
    public dev.missioncontrol.v1.GetDepthsResponse getDepths(dev.missioncontrol.v1.GetDepthsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetDepthsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service RoutingService.
   * <pre>
   * Tells why work goes where it goes, or nowhere. Nothing here changes anything.
   * </pre>
   */
  public static final class RoutingServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<RoutingServiceFutureStub> {
    private RoutingServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected RoutingServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new RoutingServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Says why a task waits, with the scheduler's own code. Errors: NOT_FOUND. A task that does not wait answers with reason
     * UNSPECIFIED and a message that says so.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.ExplainTaskResponse> explainTask(
        dev.missioncontrol.v1.ExplainTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExplainTaskMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * A dry run: where tasks like this one would go now, with the queue's policy or another one. Errors: INVALID_ARGUMENT as for
     * CreateTask and UpdateQueue; UNAVAILABLE without a scheduler.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.SimulatePlacementResponse> simulatePlacement(
        dev.missioncontrol.v1.SimulatePlacementRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSimulatePlacementMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells how deep the queues are: by agent, by lane, by capability.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.GetDepthsResponse> getDepths(
        dev.missioncontrol.v1.GetDepthsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetDepthsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_EXPLAIN_TASK = 0;
  private static final int METHODID_SIMULATE_PLACEMENT = 1;
  private static final int METHODID_GET_DEPTHS = 2;

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
        case METHODID_EXPLAIN_TASK:
          serviceImpl.explainTask((dev.missioncontrol.v1.ExplainTaskRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ExplainTaskResponse>) responseObserver);
          break;
        case METHODID_SIMULATE_PLACEMENT:
          serviceImpl.simulatePlacement((dev.missioncontrol.v1.SimulatePlacementRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.SimulatePlacementResponse>) responseObserver);
          break;
        case METHODID_GET_DEPTHS:
          serviceImpl.getDepths((dev.missioncontrol.v1.GetDepthsRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetDepthsResponse>) responseObserver);
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
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getExplainTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.ExplainTaskRequest,
              dev.missioncontrol.v1.ExplainTaskResponse>(
                service, METHODID_EXPLAIN_TASK)))
        .addMethod(
          getSimulatePlacementMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.SimulatePlacementRequest,
              dev.missioncontrol.v1.SimulatePlacementResponse>(
                service, METHODID_SIMULATE_PLACEMENT)))
        .addMethod(
          getGetDepthsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.GetDepthsRequest,
              dev.missioncontrol.v1.GetDepthsResponse>(
                service, METHODID_GET_DEPTHS)))
        .build();
  }

  private static abstract class RoutingServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    RoutingServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.missioncontrol.v1.RoutingServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("RoutingService");
    }
  }

  private static final class RoutingServiceFileDescriptorSupplier
      extends RoutingServiceBaseDescriptorSupplier {
    RoutingServiceFileDescriptorSupplier() {}
  }

  private static final class RoutingServiceMethodDescriptorSupplier
      extends RoutingServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    RoutingServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (RoutingServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new RoutingServiceFileDescriptorSupplier())
              .addMethod(getExplainTaskMethod())
              .addMethod(getSimulatePlacementMethod())
              .addMethod(getGetDepthsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
