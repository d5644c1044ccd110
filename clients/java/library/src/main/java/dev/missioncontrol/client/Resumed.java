package dev.missioncontrol.client;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * The messages of a server's stream, over any number of broken streams. Read it in one thread;
 * {@link #close} may come from another and ends a wait for the next message.
 *
 * @param <M> the message
 */
public final class Resumed<M> implements Iterator<M>, AutoCloseable {
  /** Between two streams: doubling from the first to the second, each a random part of it. */
  private static final long BACKOFF_MILLIS = 100;

  private static final long BACKOFF_MILLIS_MAX = 2_000;

  /**
   * Streams are opened again for so long, from the break of the last one that had something to say;
   * a longer outage is an error.
   */
  private static final Duration OUTAGE_MAX = Duration.ofMinutes(5);

  /** What a service says about the request itself, another stream does not mend. */
  private static final Set<Status.Code> FINAL =
      EnumSet.of(
          Status.Code.INVALID_ARGUMENT,
          Status.Code.NOT_FOUND,
          Status.Code.ALREADY_EXISTS,
          Status.Code.PERMISSION_DENIED,
          Status.Code.UNAUTHENTICATED,
          Status.Code.FAILED_PRECONDITION,
          Status.Code.OUT_OF_RANGE,
          Status.Code.UNIMPLEMENTED);

  private final Supplier<Iterator<M>> open;
  private final Function<M, Boolean> last;
  private final boolean endsWell;
  private final BooleanSupplier abandoned;
  private final LongSupplier nanos;
  private final Context.CancellableContext context = Context.current().withCancellation();
  private Iterator<M> stream;
  private M next;
  private boolean done;
  private int attempts;
  private boolean heard;
  private long lostNanos;

  /**
   * Opens nothing yet.
   *
   * @param open opens a stream that goes on after the last message that was handed out
   * @param last whether a message is the last one
   * @param endsWell whether a stream that ends with OK was the last one
   * @param abandoned whether the client is closed, so that there will be no other stream
   */
  Resumed(
      Supplier<Iterator<M>> open,
      Function<M, Boolean> last,
      boolean endsWell,
      BooleanSupplier abandoned) {
    this(open, last, endsWell, abandoned, System::nanoTime);
  }

  /** The same, with a monotonic clock. */
  Resumed(
      Supplier<Iterator<M>> open,
      Function<M, Boolean> last,
      boolean endsWell,
      BooleanSupplier abandoned,
      LongSupplier nanos) {
    this.open = open;
    this.last = last;
    this.endsWell = endsWell;
    this.abandoned = abandoned;
    this.nanos = nanos;
    this.lostNanos = nanos.getAsLong();
  }

  /**
   * Waits for the next message; false at the end.
   *
   * @throws ServiceException if the service refuses, or was away for five minutes
   */
  @Override
  public boolean hasNext() {
    while (next == null && !done) {
      try {
        read();
      } catch (StatusRuntimeException broken) {
        onBroken(ServiceException.of(broken));
      }
    }
    return next != null;
  }

  @Override
  public M next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    M message = next;
    next = null;
    done = last.apply(message);
    if (done) {
      close();
    }
    return message;
  }

  /** Ends the stream. What waits in {@link #hasNext} gets false. */
  @Override
  public void close() {
    context.cancel(null);
  }

  private void read() {
    if (stream == null) {
      stream = inContext(open);
    }
    if (inContext(stream::hasNext)) {
      next = stream.next();
      heard = true;
      attempts = 0;
      return;
    }
    stream = null;
    done = endsWell || context.isCancelled();
    if (!done) {
      pause();
    }
  }

  private void onBroken(ServiceException error) {
    stream = null;
    if (context.isCancelled()) {
      done = true;
      return;
    }
    if (heard) { // It may have had nothing to say for hours: the outage begins with the break.
      heard = false;
      lostNanos = nanos.getAsLong();
    }
    boolean silent = nanos.getAsLong() - lostNanos > OUTAGE_MAX.toNanos();
    boolean unwanted = abandoned.getAsBoolean() || Thread.currentThread().isInterrupted();
    if (FINAL.contains(error.code()) || silent || unwanted) {
      close();
      throw error;
    }
    pause();
  }

  private void pause() {
    attempts++;
    long longest = Math.min(BACKOFF_MILLIS << Math.min(attempts, 10), BACKOFF_MILLIS_MAX);
    try {
      Thread.sleep(ThreadLocalRandom.current().nextLong(1, longest + 1));
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt(); // The next read fails for it.
    }
  }

  private <T> T inContext(Supplier<T> action) {
    Context before = context.attach();
    try {
      return action.get();
    } finally {
      context.detach(before);
    }
  }
}
