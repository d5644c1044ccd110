package dev.missioncontrol.agent.session;

import static dev.missioncontrol.agent.session.Conversation.key;
import static dev.missioncontrol.agent.session.Conversation.lease;
import static dev.missioncontrol.agent.session.Conversation.leaseOf;
import static dev.missioncontrol.agent.session.Conversation.reference;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.missioncontrol.v1.DrainMode;
import dev.missioncontrol.v1.DrainOrder;
import dev.missioncontrol.v1.Failure;
import dev.missioncontrol.v1.FailureReason;
import dev.missioncontrol.v1.Moving;
import dev.missioncontrol.v1.Orders;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class OrdersTest {
  private Conversation talk;

  /** One lease runs, one waits. */
  @BeforeEach
  void lease2() {
    talk = Conversation.begun(1, 1);
    talk.lease(lease("runs"), lease("waits"));
    talk.asked.clear();
    talk.said.clear();
  }

  private static Orders.Builder orders() {
    return Orders.newBuilder();
  }

  private static Effect.Stop stop(StopReason reason) {
    return new Effect.Stop(key("runs"), reason);
  }

  @Test
  void aCancelStopsTheWorkOnceHoweverOftenItComes() {
    talk.orders(orders().addCancel(reference("runs")));
    talk.orders(orders().addCancel(reference("runs")));
    assertEquals(List.of(stop(StopReason.CANCEL)), talk.asked);
    talk.end(key("runs"), new Outcome.Stopped());
    assertTrue(talk.reports().get(0).hasCancelled());
  }

  @Test
  void aSuccessThatWasOnItsWayWinsOverACancel() {
    talk.orders(orders().addCancel(reference("runs")));
    talk.succeed(key("runs"));
    assertTrue(talk.reports().get(0).hasSucceeded());
  }

  @Test
  void aCancelOfWhatWaitsIsReportedAtOnce() {
    talk.orders(orders().addCancel(reference("waits")));
    assertEquals(List.of(), talk.asked);
    assertTrue(talk.lastReport().hasCancelled());
  }

  @Test
  void aRecallReturnsWhatWaitsAndLeavesWhatRuns() {
    talk.orders(orders().addRecall(reference("waits")).addRecall(reference("runs")));
    assertEquals(List.of(), talk.asked);
    assertEquals(1, talk.reports().size());
    assertTrue(talk.lastReport().hasReturned());
    assertEquals("waits", talk.lastReport().getTaskId());
  }

  @Test
  void aDropStopsTheWorkOnceAndSaysNothing() {
    talk.orders(orders().addDrop(reference("runs")).addDrop(reference("waits")));
    talk.orders(orders().addDrop(reference("runs")));
    talk.end(key("runs"), new Outcome.Stopped());
    assertEquals(List.of(stop(StopReason.DROPPED)), talk.asked);
    assertEquals(List.of(), talk.reports());
  }

  @Test
  void theSlotOfDroppedWorkIsFreeOnlyWhenItHasEnded() {
    talk.orders(orders().addDrop(reference("runs")));
    assertEquals(List.of(), talk.started());
    talk.end(key("runs"), new Outcome.Stopped());
    assertEquals(List.of(key("waits")), talk.started());
  }

  @Test
  void aDrainThatLetsFinishReturnsWhatWaitsAndStopsTheRestAtItsLimit() {
    DrainOrder.Builder drain =
        DrainOrder.newBuilder()
            .setMode(DrainMode.DRAIN_MODE_FINISH)
            .setTimeLimit(Conversation.duration(3));
    talk.orders(orders().setDrain(drain));
    assertEquals("waits", talk.lastReport().getTaskId());
    assertEquals(List.of(), talk.asked);
    talk.pass(3);
    assertEquals(List.of(stop(StopReason.DRAIN)), talk.asked);
    talk.end(key("runs"), new Outcome.Failing(Failure.getDefaultInstance()));
    assertTrue(talk.lastReport().hasReturned(), "what failed while it was stopped burns no retry");
  }

  @Test
  void aDrainThatReturnsStopsWhatRunsAtOnce() {
    talk.orders(orders().setDrain(DrainOrder.newBuilder().setMode(DrainMode.DRAIN_MODE_RETURN)));
    assertEquals(List.of(stop(StopReason.DRAIN)), talk.asked);
  }

  @Test
  void nothingIsTakenUntilTheDrainIsCalledOff() {
    talk.orders(orders().setDrain(DrainOrder.getDefaultInstance()));
    talk.succeed(key("runs"));
    talk.lease(lease("more"));
    assertTrue(talk.lastReport().hasReturned());
    talk.orders(orders().setResume(true));
    talk.lease(lease("again"));
    assertEquals(List.of(key("again")), talk.started());
  }

  @Test
  void ordersThatWereGivenMeanwhileComeWithWelcome() {
    talk.session.disconnect();
    talk.session.connect(talk.now);
    talk.receive(
        Conversation.message()
            .setWelcome(
                Conversation.welcomeOf(List.of(reference("runs"), reference("waits")))
                    .setOrders(orders().addCancel(reference("runs"))))
            .build());
    assertEquals(List.of(stop(StopReason.CANCEL)), talk.asked);
  }

  @Test
  void whatWelcomeDoesNotKeepIsStopped() {
    talk.session.disconnect();
    talk.session.connect(talk.now);
    talk.welcome(List.of(reference("waits")));
    assertEquals(List.of(stop(StopReason.DROPPED)), talk.asked);
  }

  @Test
  void movingAsksForAnotherStreamAfterItsDelay() {
    Moving moving = Moving.newBuilder().setDelay(Conversation.duration(2)).build();
    talk.receive(Conversation.message().setMoving(moving).build());
    Effect.Reconnect reconnect = (Effect.Reconnect) talk.asked.get(0);
    assertEquals(2.0, reconnect.delaySeconds());
    assertTrue(reconnect.elsewhere());
  }

  @Test
  void workAtItsTimeLimitIsStoppedAndFailsWithTimeout() {
    talk = Conversation.begun(1, 0);
    talk.lease(leaseOf("runs").setRunTimeLimit(Conversation.duration(0.5)).build());
    talk.asked.clear();
    talk.pass(0.5);
    assertEquals(List.of(stop(StopReason.TIMEOUT)), talk.asked);
    talk.succeed(key("runs"));
    Failure failure = talk.lastReport().getFailed().getFailure();
    assertEquals(FailureReason.FAILURE_REASON_TIMEOUT, failure.getReason());
  }
}
