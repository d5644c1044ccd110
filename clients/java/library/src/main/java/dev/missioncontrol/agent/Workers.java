package dev.missioncontrol.agent;

import dev.missioncontrol.agent.session.LeaseKey;
import dev.missioncontrol.agent.session.Outcome;
import dev.missioncontrol.agent.session.StopReason;
import dev.missioncontrol.v1.Failure;
import dev.missioncontrol.v1.FailureReason;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.Payload;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Runs handlers, each in a thread, and tells what becomes of them. Called by one thread. */
final class Workers {
  /** Hears of the work, in the workers' threads. */
  interface Listener {
    /** Ask the work for its newest progress. */
    void progressed(LeaseKey key, Work work);

    void ended(LeaseKey key, Outcome outcome);
  }

  /** The contract's bound is 8 KiB of UTF-8: characters of up to 3 bytes. */
  private static final int MESSAGE_CHARACTERS_MAX = 2_500;

  private final Map<String, Handler> handlers;
  private final Listener listener;
  private final Map<LeaseKey, Work> running = new HashMap<>();
  private final ExecutorService threads = Executors.newCachedThreadPool(Workers::thread);

  Workers(Map<String, Handler> handlers, Listener listener) {
    this.handlers = handlers;
    this.listener = listener;
  }

  void start(LeaseKey key, Lease lease) {
    Work work = new Work(lease, each -> listener.progressed(key, each));
    running.put(key, work);
    threads.execute(() -> listener.ended(key, outcome(work)));
  }

  void stop(LeaseKey key, StopReason reason) {
    Work work = running.get(key);
    if (work != null) {
      work.stop(reason);
    }
  }

  /** The end of this work was taken in. */
  void forget(LeaseKey key) {
    running.remove(key);
  }

  /** The agent ends: what still runs is told to stop, and not waited for. */
  void close() {
    running.values().forEach(work -> work.stop(StopReason.DROPPED));
    threads.shutdown();
  }

  private Outcome outcome(Work work) {
    work.enter();
    try {
      Payload output = handlers.get(work.lease().getSpec().getKind()).run(work);
      return new Outcome.Success(output == null ? Payload.getDefaultInstance() : output);
    } catch (WorkException failure) {
      return new Outcome.Failing(failure.failure());
    } catch (InterruptedException stopped) {
      return new Outcome.Stopped();
    } catch (Throwable error) { // Whatever a handler throws ends its attempt, and nothing else.
      return new Outcome.Failing(failure(error));
    } finally {
      work.leave();
    }
  }

  private static Failure failure(Throwable error) {
    String message = error.toString();
    int length = Math.min(message.length(), MESSAGE_CHARACTERS_MAX);
    return Failure.newBuilder()
        .setReason(FailureReason.FAILURE_REASON_ERROR)
        .setMessage(message.substring(0, length))
        .setCode(error.getClass().getSimpleName())
        .build();
  }

  /** A handler that does not stop must not keep the process from ending. */
  private static Thread thread(Runnable work) {
    Thread thread = new Thread(work, "missioncontrol-work");
    thread.setDaemon(true);
    return thread;
  }
}
