package dev.missioncontrol.agent;

import dev.missioncontrol.agent.session.LeaseKey;
import dev.missioncontrol.agent.session.Outcome;
import dev.missioncontrol.agent.session.StopReason;
import dev.missioncontrol.v1.Lease;
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
      return HandlerOutcome.returned(handlers.get(work.lease().getSpec().getKind()).run(work));
    } catch (Throwable error) { // Whatever a handler throws ends its attempt, and nothing else.
      return HandlerOutcome.threw(error);
    } finally {
      work.leave();
    }
  }

  /** A handler that does not stop must not keep the process from ending. */
  private static Thread thread(Runnable work) {
    Thread thread = new Thread(work, "missioncontrol-work");
    thread.setDaemon(true);
    return thread;
  }
}
