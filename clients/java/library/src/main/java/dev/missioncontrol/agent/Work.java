package dev.missioncontrol.agent;

import dev.missioncontrol.agent.session.StopReason;
import dev.missioncontrol.agent.session.Text;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.Payload;
import dev.missioncontrol.v1.Progress;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/** What a handler works on. Safe for several threads. */
public final class Work {
  private final Lease lease;
  private final Consumer<Work> onProgress;
  private final AtomicReference<Progress> progress = new AtomicReference<>();
  private Thread thread;
  private StopReason stop;

  Work(Lease lease, Consumer<Work> onProgress) {
    this.lease = lease;
    this.onProgress = onProgress;
  }

  /** The lease: the task's spec, the token, the last checkpoint of an earlier attempt. */
  public Lease lease() {
    return lease;
  }

  /** The task's id. */
  public String taskId() {
    return lease.getTaskId();
  }

  /** The input. */
  public Payload input() {
    return lease.getSpec().getPayload();
  }

  /**
   * Tells how far the work is: from 0 to 1, or NaN if that cannot be known, and a line for people,
   * of which 1 KiB is kept. May be called often.
   */
  public void progress(double fraction, String message) {
    Progress.Builder builder = Progress.newBuilder().setMessage(Text.note(message));
    if (!Double.isNaN(fraction)) {
      builder.setFraction(Math.min(Math.max(fraction, 0), 1));
    }
    Progress newest = builder.build();
    // One word for all that comes before it is heard, so that a busy handler fills no memory.
    if (progress.getAndSet(newest) == null) {
      onProgress.accept(this);
    }
  }

  /** The newest progress; once. */
  Progress takeProgress() {
    return progress.getAndSet(null);
  }

  /** Why the work must stop, if it must. The handler's thread is interrupted besides. */
  public synchronized Optional<StopReason> stop() {
    return Optional.ofNullable(stop);
  }

  /** It is interrupted once: a second reason must not disturb what the first one made it do. */
  synchronized void stop(StopReason reason) {
    if (stop == null && thread != null) {
      thread.interrupt();
    }
    stop = reason;
  }

  /** The handler's thread enters. From here on, and not after {@link #leave}, it is interrupted. */
  synchronized void enter() {
    thread = Thread.currentThread();
    if (stop != null) {
      thread.interrupt();
    }
  }

  synchronized void leave() {
    thread = null;
    // The thread is used again: an interrupt that the handler did not take is not the next one's.
    Thread.interrupted();
  }
}
