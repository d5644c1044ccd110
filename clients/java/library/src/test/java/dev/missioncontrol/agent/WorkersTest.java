package dev.missioncontrol.agent;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.missioncontrol.agent.session.LeaseKey;
import dev.missioncontrol.agent.session.Outcome;
import dev.missioncontrol.agent.session.StopReason;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.Payload;
import dev.missioncontrol.v1.TaskSpec;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WorkersTest {
  private static final LeaseKey KEY = new LeaseKey("a", 1);
  private static final Lease LEASE =
      Lease.newBuilder().setSpec(TaskSpec.newBuilder().setKind("work")).build();

  private final BlockingQueue<Outcome> outcomes = new LinkedBlockingQueue<>();
  private final AtomicInteger progressed = new AtomicInteger();
  private volatile Handler handler;
  private final Workers workers =
      new Workers(Map.of("work", work -> handler.run(work)), new Listener());

  private void handle(Handler next) {
    handler = next;
    workers.start(KEY, LEASE);
  }

  private Outcome outcome() throws InterruptedException {
    return outcomes.poll(10, TimeUnit.SECONDS);
  }

  @AfterEach
  void close() {
    workers.close();
  }

  @Test
  void whatIsReturnedIsASuccess() throws InterruptedException {
    handle(work -> Payload.newBuilder().setContentType("x").build());
    assertEquals("x", assertInstanceOf(Outcome.Success.class, outcome()).output().getContentType());
  }

  @Test
  void whatIsThrownIsAFailureWithItsCode() throws InterruptedException {
    handle(
        work -> {
          throw new WorkException("code", "why");
        });
    assertEquals("code", assertInstanceOf(Outcome.Failing.class, outcome()).failure().getCode());
    handle(
        work -> {
          throw new StackOverflowError();
        });
    var failing = assertInstanceOf(Outcome.Failing.class, outcome());
    assertEquals("StackOverflowError", failing.failure().getCode());
  }

  @Test
  void aStopInterruptsTheWorkAndSaysWhy() throws InterruptedException {
    CountDownLatch begun = new CountDownLatch(1);
    var reasons = new LinkedBlockingQueue<StopReason>();
    handle(
        work -> {
          begun.countDown();
          try {
            Thread.sleep(60_000);
          } finally {
            reasons.add(work.stop().orElseThrow());
          }
          return null;
        });
    begun.await();
    workers.stop(KEY, StopReason.CANCEL);
    assertInstanceOf(Outcome.Stopped.class, outcome());
    assertEquals(StopReason.CANCEL, reasons.remove());
  }

  @Test
  void anInterruptThatWasNotTakenDoesNotReachTheNextWork() throws InterruptedException {
    var interrupted = new LinkedBlockingQueue<Boolean>();
    handle(
        work -> {
          interrupted.add(Thread.currentThread().isInterrupted());
          while (!interrupted.isEmpty() && work.stop().isEmpty()) {
            Thread.onSpinWait();
          }
          return null;
        });
    workers.stop(KEY, StopReason.CANCEL);
    outcome();
    interrupted.clear();
    handle(
        work -> {
          interrupted.add(Thread.currentThread().isInterrupted());
          return null;
        });
    outcome();
    assertFalse(interrupted.remove());
  }

  @Test
  void progressThatWasNotHeardYetIsReplaced() throws InterruptedException {
    handle(
        work -> {
          for (int i = 0; i < 100; i++) {
            work.progress(i / 100.0, "");
          }
          return null;
        });
    outcome();
    assertEquals(1, progressed.get());
  }

  private final class Listener implements Workers.Listener {
    @Override
    public void progressed(LeaseKey key, Work work) {
      progressed.incrementAndGet();
    }

    @Override
    public void ended(LeaseKey key, Outcome outcome) {
      outcomes.add(outcome);
    }
  }
}
