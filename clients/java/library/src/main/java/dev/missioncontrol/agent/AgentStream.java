package dev.missioncontrol.agent;

import dev.missioncontrol.client.Channels;
import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.AgentServiceGrpc;
import dev.missioncontrol.v1.CoordinatorMessage;
import io.grpc.ChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.function.Consumer;

/**
 * One stream to one coordinator, on a channel of its own. What comes is handed to the agent's
 * thread, one message after another: the next is asked for when that one was taken in.
 */
final class AgentStream implements ClientResponseObserver<AgentMessage, CoordinatorMessage> {
  /** Hears of a stream, in the agent's thread. */
  interface Listener {
    void received(AgentStream stream, CoordinatorMessage message);

    /** The error is null if the coordinator ended the stream with OK. */
    void ended(AgentStream stream, Throwable error);
  }

  private final Consumer<Runnable> agentThread;
  private final Listener listener;
  private final ManagedChannel channel;
  private ClientCallStreamObserver<AgentMessage> call;
  private boolean goodbyeSaid;

  private AgentStream(
      String address,
      ChannelCredentials credentials,
      Consumer<Runnable> agentThread,
      Listener listener) {
    this.agentThread = agentThread;
    this.listener = listener;
    this.channel = Channels.openOne(address, credentials);
  }

  static AgentStream open(
      String address,
      ChannelCredentials credentials,
      Consumer<Runnable> agentThread,
      Listener listener) {
    AgentStream stream = new AgentStream(address, credentials, agentThread, listener);
    AgentServiceGrpc.newStub(stream.channel).connect(stream);
    return stream;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<AgentMessage> requests) {
    call = requests;
    call.disableAutoRequestWithInitial(1);
    call.setOnReadyHandler(() -> agentThread.accept(() -> {})); // It looks what there is to send.
  }

  /**
   * Whether a message would leave soon. A coordinator that does not read makes it false, and so
   * does Goodbye, after which there is none.
   */
  boolean isReady() {
    return !goodbyeSaid && call.isReady();
  }

  void send(AgentMessage message) {
    call.onNext(message);
    if (message.hasGoodbye()) {
      goodbyeSaid = true;
      call.onCompleted();
    }
  }

  /** Ends the stream and its connection, without a word. */
  void close() {
    call.cancel("the agent ends the stream", null);
    channel.shutdownNow();
  }

  @Override
  public void onNext(CoordinatorMessage message) {
    agentThread.accept(
        () -> {
          listener.received(this, message);
          call.request(1);
        });
  }

  @Override
  public void onError(Throwable error) {
    agentThread.accept(() -> listener.ended(this, error));
  }

  @Override
  public void onCompleted() {
    agentThread.accept(() -> listener.ended(this, null));
  }
}
