package dev.missioncontrol.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import java.util.concurrent.TimeUnit;

/**
 * Gives each unary call a deadline, if it has none, and lets it wait for a connection until then: a
 * coordinator that restarts is no error. Streams have neither: their readers see that they break.
 */
final class CallDefaults implements ClientInterceptor {
  /** With all retries: long enough for a coordinator's restart, short enough for a person. */
  private static final long CALL_SECONDS = 30;

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return next.newCall(method, method.getType() == MethodType.UNARY ? unary(options) : options);
  }

  private static CallOptions unary(CallOptions options) {
    CallOptions waiting = options.withWaitForReady();
    return options.getDeadline() == null
        ? waiting.withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS)
        : waiting;
  }
}
