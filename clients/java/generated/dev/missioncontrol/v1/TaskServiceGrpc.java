package dev.missioncontrol.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Submits work and tells where it is.
 * Every write takes a `request_id`: the same (namespace, request_id) always gives the same task, also concurrently and
 * after a lost reply. Errors are `google.rpc.Status` with an ErrorInfo (domain "missioncontrol"), with BadRequest for
 * fields and RetryInfo where waiting helps. An OK means that the change is on disk.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class TaskServiceGrpc {

  private TaskServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "missioncontrol.v1.TaskService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.CreateTaskRequest,
      dev.missioncontrol.v1.CreateTaskResponse> getCreateTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateTask",
      requestType = dev.missioncontrol.v1.CreateTaskRequest.class,
      responseType = dev.missioncontrol.v1.CreateTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.CreateTaskRequest,
      dev.missioncontrol.v1.CreateTaskResponse> getCreateTaskMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.CreateTaskRequest, dev.missioncontrol.v1.CreateTaskResponse> getCreateTaskMethod;
    if ((getCreateTaskMethod = TaskServiceGrpc.getCreateTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getCreateTaskMethod = TaskServiceGrpc.getCreateTaskMethod) == null) {
          TaskServiceGrpc.getCreateTaskMethod = getCreateTaskMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.CreateTaskRequest, dev.missioncontrol.v1.CreateTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateTask"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.CreateTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.CreateTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("CreateTask"))
              .build();
        }
      }
    }
    return getCreateTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.BatchCreateTasksRequest,
      dev.missioncontrol.v1.BatchCreateTasksResponse> getBatchCreateTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BatchCreateTasks",
      requestType = dev.missioncontrol.v1.BatchCreateTasksRequest.class,
      responseType = dev.missioncontrol.v1.BatchCreateTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.BatchCreateTasksRequest,
      dev.missioncontrol.v1.BatchCreateTasksResponse> getBatchCreateTasksMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.BatchCreateTasksRequest, dev.missioncontrol.v1.BatchCreateTasksResponse> getBatchCreateTasksMethod;
    if ((getBatchCreateTasksMethod = TaskServiceGrpc.getBatchCreateTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getBatchCreateTasksMethod = TaskServiceGrpc.getBatchCreateTasksMethod) == null) {
          TaskServiceGrpc.getBatchCreateTasksMethod = getBatchCreateTasksMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.BatchCreateTasksRequest, dev.missioncontrol.v1.BatchCreateTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BatchCreateTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.BatchCreateTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.BatchCreateTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("BatchCreateTasks"))
              .build();
        }
      }
    }
    return getBatchCreateTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetTaskRequest,
      dev.missioncontrol.v1.GetTaskResponse> getGetTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetTask",
      requestType = dev.missioncontrol.v1.GetTaskRequest.class,
      responseType = dev.missioncontrol.v1.GetTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetTaskRequest,
      dev.missioncontrol.v1.GetTaskResponse> getGetTaskMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.GetTaskRequest, dev.missioncontrol.v1.GetTaskResponse> getGetTaskMethod;
    if ((getGetTaskMethod = TaskServiceGrpc.getGetTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getGetTaskMethod = TaskServiceGrpc.getGetTaskMethod) == null) {
          TaskServiceGrpc.getGetTaskMethod = getGetTaskMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.GetTaskRequest, dev.missioncontrol.v1.GetTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetTask"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.GetTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.GetTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("GetTask"))
              .build();
        }
      }
    }
    return getGetTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListTasksRequest,
      dev.missioncontrol.v1.ListTasksResponse> getListTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListTasks",
      requestType = dev.missioncontrol.v1.ListTasksRequest.class,
      responseType = dev.missioncontrol.v1.ListTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListTasksRequest,
      dev.missioncontrol.v1.ListTasksResponse> getListTasksMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListTasksRequest, dev.missioncontrol.v1.ListTasksResponse> getListTasksMethod;
    if ((getListTasksMethod = TaskServiceGrpc.getListTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getListTasksMethod = TaskServiceGrpc.getListTasksMethod) == null) {
          TaskServiceGrpc.getListTasksMethod = getListTasksMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.ListTasksRequest, dev.missioncontrol.v1.ListTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ListTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ListTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("ListTasks"))
              .build();
        }
      }
    }
    return getListTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.WatchTaskRequest,
      dev.missioncontrol.v1.WatchTaskResponse> getWatchTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchTask",
      requestType = dev.missioncontrol.v1.WatchTaskRequest.class,
      responseType = dev.missioncontrol.v1.WatchTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.WatchTaskRequest,
      dev.missioncontrol.v1.WatchTaskResponse> getWatchTaskMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.WatchTaskRequest, dev.missioncontrol.v1.WatchTaskResponse> getWatchTaskMethod;
    if ((getWatchTaskMethod = TaskServiceGrpc.getWatchTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getWatchTaskMethod = TaskServiceGrpc.getWatchTaskMethod) == null) {
          TaskServiceGrpc.getWatchTaskMethod = getWatchTaskMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.WatchTaskRequest, dev.missioncontrol.v1.WatchTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchTask"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.WatchTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.WatchTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("WatchTask"))
              .build();
        }
      }
    }
    return getWatchTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.CancelTaskRequest,
      dev.missioncontrol.v1.CancelTaskResponse> getCancelTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CancelTask",
      requestType = dev.missioncontrol.v1.CancelTaskRequest.class,
      responseType = dev.missioncontrol.v1.CancelTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.CancelTaskRequest,
      dev.missioncontrol.v1.CancelTaskResponse> getCancelTaskMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.CancelTaskRequest, dev.missioncontrol.v1.CancelTaskResponse> getCancelTaskMethod;
    if ((getCancelTaskMethod = TaskServiceGrpc.getCancelTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getCancelTaskMethod = TaskServiceGrpc.getCancelTaskMethod) == null) {
          TaskServiceGrpc.getCancelTaskMethod = getCancelTaskMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.CancelTaskRequest, dev.missioncontrol.v1.CancelTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CancelTask"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.CancelTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.CancelTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("CancelTask"))
              .build();
        }
      }
    }
    return getCancelTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.RetryTaskRequest,
      dev.missioncontrol.v1.RetryTaskResponse> getRetryTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RetryTask",
      requestType = dev.missioncontrol.v1.RetryTaskRequest.class,
      responseType = dev.missioncontrol.v1.RetryTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.RetryTaskRequest,
      dev.missioncontrol.v1.RetryTaskResponse> getRetryTaskMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.RetryTaskRequest, dev.missioncontrol.v1.RetryTaskResponse> getRetryTaskMethod;
    if ((getRetryTaskMethod = TaskServiceGrpc.getRetryTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getRetryTaskMethod = TaskServiceGrpc.getRetryTaskMethod) == null) {
          TaskServiceGrpc.getRetryTaskMethod = getRetryTaskMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.RetryTaskRequest, dev.missioncontrol.v1.RetryTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RetryTask"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.RetryTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.RetryTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("RetryTask"))
              .build();
        }
      }
    }
    return getRetryTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListAttemptsRequest,
      dev.missioncontrol.v1.ListAttemptsResponse> getListAttemptsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListAttempts",
      requestType = dev.missioncontrol.v1.ListAttemptsRequest.class,
      responseType = dev.missioncontrol.v1.ListAttemptsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListAttemptsRequest,
      dev.missioncontrol.v1.ListAttemptsResponse> getListAttemptsMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.ListAttemptsRequest, dev.missioncontrol.v1.ListAttemptsResponse> getListAttemptsMethod;
    if ((getListAttemptsMethod = TaskServiceGrpc.getListAttemptsMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getListAttemptsMethod = TaskServiceGrpc.getListAttemptsMethod) == null) {
          TaskServiceGrpc.getListAttemptsMethod = getListAttemptsMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.ListAttemptsRequest, dev.missioncontrol.v1.ListAttemptsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListAttempts"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ListAttemptsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.ListAttemptsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("ListAttempts"))
              .build();
        }
      }
    }
    return getListAttemptsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.missioncontrol.v1.BulkChangeTasksRequest,
      dev.missioncontrol.v1.BulkChangeTasksResponse> getBulkChangeTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BulkChangeTasks",
      requestType = dev.missioncontrol.v1.BulkChangeTasksRequest.class,
      responseType = dev.missioncontrol.v1.BulkChangeTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.missioncontrol.v1.BulkChangeTasksRequest,
      dev.missioncontrol.v1.BulkChangeTasksResponse> getBulkChangeTasksMethod() {
    io.grpc.MethodDescriptor<dev.missioncontrol.v1.BulkChangeTasksRequest, dev.missioncontrol.v1.BulkChangeTasksResponse> getBulkChangeTasksMethod;
    if ((getBulkChangeTasksMethod = TaskServiceGrpc.getBulkChangeTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getBulkChangeTasksMethod = TaskServiceGrpc.getBulkChangeTasksMethod) == null) {
          TaskServiceGrpc.getBulkChangeTasksMethod = getBulkChangeTasksMethod =
              io.grpc.MethodDescriptor.<dev.missioncontrol.v1.BulkChangeTasksRequest, dev.missioncontrol.v1.BulkChangeTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BulkChangeTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.BulkChangeTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.missioncontrol.v1.BulkChangeTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("BulkChangeTasks"))
              .build();
        }
      }
    }
    return getBulkChangeTasksMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static TaskServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceStub>() {
        @java.lang.Override
        public TaskServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceStub(channel, callOptions);
        }
      };
    return TaskServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static TaskServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingV2Stub>() {
        @java.lang.Override
        public TaskServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return TaskServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static TaskServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingStub>() {
        @java.lang.Override
        public TaskServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceBlockingStub(channel, callOptions);
        }
      };
    return TaskServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static TaskServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceFutureStub>() {
        @java.lang.Override
        public TaskServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceFutureStub(channel, callOptions);
        }
      };
    return TaskServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Submits work and tells where it is.
   * Every write takes a `request_id`: the same (namespace, request_id) always gives the same task, also concurrently and
   * after a lost reply. Errors are `google.rpc.Status` with an ErrorInfo (domain "missioncontrol"), with BadRequest for
   * fields and RetryInfo where waiting helps. An OK means that the change is on disk.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Submits one task. Errors: INVALID_ARGUMENT; ALREADY_EXISTS if the request id was used for another body (the ErrorInfo's
     * metadata `task_id` names that task); FAILED_PRECONDITION if the queue refuses work.
     * </pre>
     */
    default void createTask(dev.missioncontrol.v1.CreateTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CreateTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * Submits up to 1000 tasks in one transaction, each with a result of its own: a bad one fails alone.
     * </pre>
     */
    default void batchCreateTasks(dev.missioncontrol.v1.BatchCreateTasksRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.BatchCreateTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBatchCreateTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads one task whole. Errors: NOT_FOUND.
     * </pre>
     */
    default void getTask(dev.missioncontrol.v1.GetTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists tasks, newest first.
     * </pre>
     */
    default void listTasks(dev.missioncontrol.v1.ListTasksRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Sends the task as it is now and again whenever it changed, until it is terminal; then the stream ends with OK. States
     * between two messages may be skipped; the terminal one never is. With `follow_output`, chunks of live output come in between.
     * </pre>
     */
    default void watchTask(dev.missioncontrol.v1.WatchTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.WatchTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * Asks for a cancel. A task that no agent holds is CANCELLED at once. Otherwise the order goes to the agent, and the task
     * becomes CANCELLED when the agent gives it up or its lease ends; a success that commits before that wins. Cancelling a
     * terminal or already cancelled task changes nothing and is OK. Errors: NOT_FOUND.
     * </pre>
     */
    default void cancelTask(dev.missioncontrol.v1.CancelTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CancelTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCancelTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * Makes a new task with the spec of a terminal one. Terminal is final: the old task does not change. Errors: NOT_FOUND;
     * FAILED_PRECONDITION if the task is not terminal.
     * </pre>
     */
    default void retryTask(dev.missioncontrol.v1.RetryTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.RetryTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRetryTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists a task's attempts, oldest first. Errors: NOT_FOUND.
     * </pre>
     */
    default void listAttempts(dev.missioncontrol.v1.ListAttemptsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListAttemptsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListAttemptsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Does one thing with every task that a filter finds, oldest first, a page at a time: call it again with `next_page_token` until
     * there is none. Each task is changed as a call of its own would; what a task's state does not allow is skipped. With
     * `preview` nothing changes.
     * </pre>
     */
    default void bulkChangeTasks(dev.missioncontrol.v1.BulkChangeTasksRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.BulkChangeTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBulkChangeTasksMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service TaskService.
   * <pre>
   * Submits work and tells where it is.
   * Every write takes a `request_id`: the same (namespace, request_id) always gives the same task, also concurrently and
   * after a lost reply. Errors are `google.rpc.Status` with an ErrorInfo (domain "missioncontrol"), with BadRequest for
   * fields and RetryInfo where waiting helps. An OK means that the change is on disk.
   * </pre>
   */
  public static abstract class TaskServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return TaskServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service TaskService.
   * <pre>
   * Submits work and tells where it is.
   * Every write takes a `request_id`: the same (namespace, request_id) always gives the same task, also concurrently and
   * after a lost reply. Errors are `google.rpc.Status` with an ErrorInfo (domain "missioncontrol"), with BadRequest for
   * fields and RetryInfo where waiting helps. An OK means that the change is on disk.
   * </pre>
   */
  public static final class TaskServiceStub
      extends io.grpc.stub.AbstractAsyncStub<TaskServiceStub> {
    private TaskServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Submits one task. Errors: INVALID_ARGUMENT; ALREADY_EXISTS if the request id was used for another body (the ErrorInfo's
     * metadata `task_id` names that task); FAILED_PRECONDITION if the queue refuses work.
     * </pre>
     */
    public void createTask(dev.missioncontrol.v1.CreateTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CreateTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Submits up to 1000 tasks in one transaction, each with a result of its own: a bad one fails alone.
     * </pre>
     */
    public void batchCreateTasks(dev.missioncontrol.v1.BatchCreateTasksRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.BatchCreateTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getBatchCreateTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads one task whole. Errors: NOT_FOUND.
     * </pre>
     */
    public void getTask(dev.missioncontrol.v1.GetTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists tasks, newest first.
     * </pre>
     */
    public void listTasks(dev.missioncontrol.v1.ListTasksRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Sends the task as it is now and again whenever it changed, until it is terminal; then the stream ends with OK. States
     * between two messages may be skipped; the terminal one never is. With `follow_output`, chunks of live output come in between.
     * </pre>
     */
    public void watchTask(dev.missioncontrol.v1.WatchTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.WatchTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Asks for a cancel. A task that no agent holds is CANCELLED at once. Otherwise the order goes to the agent, and the task
     * becomes CANCELLED when the agent gives it up or its lease ends; a success that commits before that wins. Cancelling a
     * terminal or already cancelled task changes nothing and is OK. Errors: NOT_FOUND.
     * </pre>
     */
    public void cancelTask(dev.missioncontrol.v1.CancelTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CancelTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCancelTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Makes a new task with the spec of a terminal one. Terminal is final: the old task does not change. Errors: NOT_FOUND;
     * FAILED_PRECONDITION if the task is not terminal.
     * </pre>
     */
    public void retryTask(dev.missioncontrol.v1.RetryTaskRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.RetryTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRetryTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists a task's attempts, oldest first. Errors: NOT_FOUND.
     * </pre>
     */
    public void listAttempts(dev.missioncontrol.v1.ListAttemptsRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListAttemptsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListAttemptsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Does one thing with every task that a filter finds, oldest first, a page at a time: call it again with `next_page_token` until
     * there is none. Each task is changed as a call of its own would; what a task's state does not allow is skipped. With
     * `preview` nothing changes.
     * </pre>
     */
    public void bulkChangeTasks(dev.missioncontrol.v1.BulkChangeTasksRequest request,
        io.grpc.stub.StreamObserver<dev.missioncontrol.v1.BulkChangeTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getBulkChangeTasksMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service TaskService.
   * <pre>
   * Submits work and tells where it is.
   * Every write takes a `request_id`: the same (namespace, request_id) always gives the same task, also concurrently and
   * after a lost reply. Errors are `google.rpc.Status` with an ErrorInfo (domain "missioncontrol"), with BadRequest for
   * fields and RetryInfo where waiting helps. An OK means that the change is on disk.
   * </pre>
   */
  public static final class TaskServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<TaskServiceBlockingV2Stub> {
    private TaskServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Submits one task. Errors: INVALID_ARGUMENT; ALREADY_EXISTS if the request id was used for another body (the ErrorInfo's
     * metadata `task_id` names that task); FAILED_PRECONDITION if the queue refuses work.
     * </pre>
     */
    public dev.missioncontrol.v1.CreateTaskResponse createTask(dev.missioncontrol.v1.CreateTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits up to 1000 tasks in one transaction, each with a result of its own: a bad one fails alone.
     * </pre>
     */
    public dev.missioncontrol.v1.BatchCreateTasksResponse batchCreateTasks(dev.missioncontrol.v1.BatchCreateTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getBatchCreateTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads one task whole. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.GetTaskResponse getTask(dev.missioncontrol.v1.GetTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists tasks, newest first.
     * </pre>
     */
    public dev.missioncontrol.v1.ListTasksResponse listTasks(dev.missioncontrol.v1.ListTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends the task as it is now and again whenever it changed, until it is terminal; then the stream ends with OK. States
     * between two messages may be skipped; the terminal one never is. With `follow_output`, chunks of live output come in between.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, dev.missioncontrol.v1.WatchTaskResponse>
        watchTask(dev.missioncontrol.v1.WatchTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Asks for a cancel. A task that no agent holds is CANCELLED at once. Otherwise the order goes to the agent, and the task
     * becomes CANCELLED when the agent gives it up or its lease ends; a success that commits before that wins. Cancelling a
     * terminal or already cancelled task changes nothing and is OK. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.CancelTaskResponse cancelTask(dev.missioncontrol.v1.CancelTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCancelTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes a new task with the spec of a terminal one. Terminal is final: the old task does not change. Errors: NOT_FOUND;
     * FAILED_PRECONDITION if the task is not terminal.
     * </pre>
     */
    public dev.missioncontrol.v1.RetryTaskResponse retryTask(dev.missioncontrol.v1.RetryTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRetryTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists a task's attempts, oldest first. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.ListAttemptsResponse listAttempts(dev.missioncontrol.v1.ListAttemptsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListAttemptsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Does one thing with every task that a filter finds, oldest first, a page at a time: call it again with `next_page_token` until
     * there is none. Each task is changed as a call of its own would; what a task's state does not allow is skipped. With
     * `preview` nothing changes.
     * </pre>
     */
    public dev.missioncontrol.v1.BulkChangeTasksResponse bulkChangeTasks(dev.missioncontrol.v1.BulkChangeTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getBulkChangeTasksMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service TaskService.
   * <pre>
   * Submits work and tells where it is.
   * Every write takes a `request_id`: the same (namespace, request_id) always gives the same task, also concurrently and
   * after a lost reply. Errors are `google.rpc.Status` with an ErrorInfo (domain "missioncontrol"), with BadRequest for
   * fields and RetryInfo where waiting helps. An OK means that the change is on disk.
   * </pre>
   */
  public static final class TaskServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<TaskServiceBlockingStub> {
    private TaskServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Submits one task. Errors: INVALID_ARGUMENT; ALREADY_EXISTS if the request id was used for another body (the ErrorInfo's
     * metadata `task_id` names that task); FAILED_PRECONDITION if the queue refuses work.
     * </pre>
     */
    public dev.missioncontrol.v1.CreateTaskResponse createTask(dev.missioncontrol.v1.CreateTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits up to 1000 tasks in one transaction, each with a result of its own: a bad one fails alone.
     * </pre>
     */
    public dev.missioncontrol.v1.BatchCreateTasksResponse batchCreateTasks(dev.missioncontrol.v1.BatchCreateTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getBatchCreateTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads one task whole. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.GetTaskResponse getTask(dev.missioncontrol.v1.GetTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists tasks, newest first.
     * </pre>
     */
    public dev.missioncontrol.v1.ListTasksResponse listTasks(dev.missioncontrol.v1.ListTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends the task as it is now and again whenever it changed, until it is terminal; then the stream ends with OK. States
     * between two messages may be skipped; the terminal one never is. With `follow_output`, chunks of live output come in between.
     * </pre>
     */
    public java.util.Iterator<dev.missioncontrol.v1.WatchTaskResponse> watchTask(
        dev.missioncontrol.v1.WatchTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Asks for a cancel. A task that no agent holds is CANCELLED at once. Otherwise the order goes to the agent, and the task
     * becomes CANCELLED when the agent gives it up or its lease ends; a success that commits before that wins. Cancelling a
     * terminal or already cancelled task changes nothing and is OK. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.CancelTaskResponse cancelTask(dev.missioncontrol.v1.CancelTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCancelTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes a new task with the spec of a terminal one. Terminal is final: the old task does not change. Errors: NOT_FOUND;
     * FAILED_PRECONDITION if the task is not terminal.
     * </pre>
     */
    public dev.missioncontrol.v1.RetryTaskResponse retryTask(dev.missioncontrol.v1.RetryTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRetryTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists a task's attempts, oldest first. Errors: NOT_FOUND.
     * </pre>
     */
    public dev.missioncontrol.v1.ListAttemptsResponse listAttempts(dev.missioncontrol.v1.ListAttemptsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListAttemptsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Does one thing with every task that a filter finds, oldest first, a page at a time: call it again with `next_page_token` until
     * there is none. Each task is changed as a call of its own would; what a task's state does not allow is skipped. With
     * `preview` nothing changes.
     * </pre>
     */
    public dev.missioncontrol.v1.BulkChangeTasksResponse bulkChangeTasks(dev.missioncontrol.v1.BulkChangeTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getBulkChangeTasksMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service TaskService.
   * <pre>
   * Submits work and tells where it is.
   * Every write takes a `request_id`: the same (namespace, request_id) always gives the same task, also concurrently and
   * after a lost reply. Errors are `google.rpc.Status` with an ErrorInfo (domain "missioncontrol"), with BadRequest for
   * fields and RetryInfo where waiting helps. An OK means that the change is on disk.
   * </pre>
   */
  public static final class TaskServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<TaskServiceFutureStub> {
    private TaskServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Submits one task. Errors: INVALID_ARGUMENT; ALREADY_EXISTS if the request id was used for another body (the ErrorInfo's
     * metadata `task_id` names that task); FAILED_PRECONDITION if the queue refuses work.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.CreateTaskResponse> createTask(
        dev.missioncontrol.v1.CreateTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateTaskMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Submits up to 1000 tasks in one transaction, each with a result of its own: a bad one fails alone.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.BatchCreateTasksResponse> batchCreateTasks(
        dev.missioncontrol.v1.BatchCreateTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getBatchCreateTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads one task whole. Errors: NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.GetTaskResponse> getTask(
        dev.missioncontrol.v1.GetTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetTaskMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists tasks, newest first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.ListTasksResponse> listTasks(
        dev.missioncontrol.v1.ListTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Asks for a cancel. A task that no agent holds is CANCELLED at once. Otherwise the order goes to the agent, and the task
     * becomes CANCELLED when the agent gives it up or its lease ends; a success that commits before that wins. Cancelling a
     * terminal or already cancelled task changes nothing and is OK. Errors: NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.CancelTaskResponse> cancelTask(
        dev.missioncontrol.v1.CancelTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCancelTaskMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Makes a new task with the spec of a terminal one. Terminal is final: the old task does not change. Errors: NOT_FOUND;
     * FAILED_PRECONDITION if the task is not terminal.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.RetryTaskResponse> retryTask(
        dev.missioncontrol.v1.RetryTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRetryTaskMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists a task's attempts, oldest first. Errors: NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.ListAttemptsResponse> listAttempts(
        dev.missioncontrol.v1.ListAttemptsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListAttemptsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Does one thing with every task that a filter finds, oldest first, a page at a time: call it again with `next_page_token` until
     * there is none. Each task is changed as a call of its own would; what a task's state does not allow is skipped. With
     * `preview` nothing changes.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.missioncontrol.v1.BulkChangeTasksResponse> bulkChangeTasks(
        dev.missioncontrol.v1.BulkChangeTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getBulkChangeTasksMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CREATE_TASK = 0;
  private static final int METHODID_BATCH_CREATE_TASKS = 1;
  private static final int METHODID_GET_TASK = 2;
  private static final int METHODID_LIST_TASKS = 3;
  private static final int METHODID_WATCH_TASK = 4;
  private static final int METHODID_CANCEL_TASK = 5;
  private static final int METHODID_RETRY_TASK = 6;
  private static final int METHODID_LIST_ATTEMPTS = 7;
  private static final int METHODID_BULK_CHANGE_TASKS = 8;

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
        case METHODID_CREATE_TASK:
          serviceImpl.createTask((dev.missioncontrol.v1.CreateTaskRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CreateTaskResponse>) responseObserver);
          break;
        case METHODID_BATCH_CREATE_TASKS:
          serviceImpl.batchCreateTasks((dev.missioncontrol.v1.BatchCreateTasksRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.BatchCreateTasksResponse>) responseObserver);
          break;
        case METHODID_GET_TASK:
          serviceImpl.getTask((dev.missioncontrol.v1.GetTaskRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.GetTaskResponse>) responseObserver);
          break;
        case METHODID_LIST_TASKS:
          serviceImpl.listTasks((dev.missioncontrol.v1.ListTasksRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListTasksResponse>) responseObserver);
          break;
        case METHODID_WATCH_TASK:
          serviceImpl.watchTask((dev.missioncontrol.v1.WatchTaskRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.WatchTaskResponse>) responseObserver);
          break;
        case METHODID_CANCEL_TASK:
          serviceImpl.cancelTask((dev.missioncontrol.v1.CancelTaskRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.CancelTaskResponse>) responseObserver);
          break;
        case METHODID_RETRY_TASK:
          serviceImpl.retryTask((dev.missioncontrol.v1.RetryTaskRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.RetryTaskResponse>) responseObserver);
          break;
        case METHODID_LIST_ATTEMPTS:
          serviceImpl.listAttempts((dev.missioncontrol.v1.ListAttemptsRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.ListAttemptsResponse>) responseObserver);
          break;
        case METHODID_BULK_CHANGE_TASKS:
          serviceImpl.bulkChangeTasks((dev.missioncontrol.v1.BulkChangeTasksRequest) request,
              (io.grpc.stub.StreamObserver<dev.missioncontrol.v1.BulkChangeTasksResponse>) responseObserver);
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
          getCreateTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.CreateTaskRequest,
              dev.missioncontrol.v1.CreateTaskResponse>(
                service, METHODID_CREATE_TASK)))
        .addMethod(
          getBatchCreateTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.BatchCreateTasksRequest,
              dev.missioncontrol.v1.BatchCreateTasksResponse>(
                service, METHODID_BATCH_CREATE_TASKS)))
        .addMethod(
          getGetTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.GetTaskRequest,
              dev.missioncontrol.v1.GetTaskResponse>(
                service, METHODID_GET_TASK)))
        .addMethod(
          getListTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.ListTasksRequest,
              dev.missioncontrol.v1.ListTasksResponse>(
                service, METHODID_LIST_TASKS)))
        .addMethod(
          getWatchTaskMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              dev.missioncontrol.v1.WatchTaskRequest,
              dev.missioncontrol.v1.WatchTaskResponse>(
                service, METHODID_WATCH_TASK)))
        .addMethod(
          getCancelTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.CancelTaskRequest,
              dev.missioncontrol.v1.CancelTaskResponse>(
                service, METHODID_CANCEL_TASK)))
        .addMethod(
          getRetryTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.RetryTaskRequest,
              dev.missioncontrol.v1.RetryTaskResponse>(
                service, METHODID_RETRY_TASK)))
        .addMethod(
          getListAttemptsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.ListAttemptsRequest,
              dev.missioncontrol.v1.ListAttemptsResponse>(
                service, METHODID_LIST_ATTEMPTS)))
        .addMethod(
          getBulkChangeTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.missioncontrol.v1.BulkChangeTasksRequest,
              dev.missioncontrol.v1.BulkChangeTasksResponse>(
                service, METHODID_BULK_CHANGE_TASKS)))
        .build();
  }

  private static abstract class TaskServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    TaskServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.missioncontrol.v1.TaskServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("TaskService");
    }
  }

  private static final class TaskServiceFileDescriptorSupplier
      extends TaskServiceBaseDescriptorSupplier {
    TaskServiceFileDescriptorSupplier() {}
  }

  private static final class TaskServiceMethodDescriptorSupplier
      extends TaskServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    TaskServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (TaskServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new TaskServiceFileDescriptorSupplier())
              .addMethod(getCreateTaskMethod())
              .addMethod(getBatchCreateTasksMethod())
              .addMethod(getGetTaskMethod())
              .addMethod(getListTasksMethod())
              .addMethod(getWatchTaskMethod())
              .addMethod(getCancelTaskMethod())
              .addMethod(getRetryTaskMethod())
              .addMethod(getListAttemptsMethod())
              .addMethod(getBulkChangeTasksMethod())
              .build();
        }
      }
    }
    return result;
  }
}
