package dev.missioncontrol.agent.session;

import static dev.missioncontrol.agent.session.Conversation.key;
import static dev.missioncontrol.agent.session.Conversation.lease;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.missioncontrol.v1.AgentMessage;
import java.util.List;
import org.junit.jupiter.api.Test;

class LeavingTest {
  private static Conversation leaving(double drainSeconds) {
    Conversation talk = Conversation.begun(1, 1);
    talk.lease(lease("runs"), lease("waits"));
    talk.asked.clear();
    talk.said.clear();
    talk.session.leave(talk.now, drainSeconds, 8);
    talk.turn();
    return talk;
  }

  private static boolean saidGoodbye(Conversation talk) {
    return talk.said.stream().anyMatch(AgentMessage::hasGoodbye);
  }

  @Test
  void itIsAnnouncedAndWhatWaitsIsReturned() {
    Conversation talk = leaving(30);
    assertTrue(talk.said.get(0).hasDrainNotice());
    assertEquals(List.of("waits"), talk.reports().stream().map(r -> r.getTaskId()).toList());
    assertEquals(List.of(), talk.asked);
  }

  @Test
  void goodbyeIsSaidWhenAllReportsAreAcknowledged() {
    Conversation talk = leaving(30);
    talk.succeed(key("runs"));
    assertFalse(saidGoodbye(talk));
    talk.acknowledge(talk.lastReport().getNumber());
    assertTrue(saidGoodbye(talk));
    assertTrue(talk.session.left());
  }

  @Test
  void theStreamIsNotWaitedForLongAfterGoodbye() {
    Conversation talk = leaving(30);
    talk.succeed(key("runs"));
    talk.acknowledge(talk.lastReport().getNumber());
    talk.pass(Limits.GOODBYE_SECONDS);
    assertTrue(talk.asked.contains(new Effect.Leave()));
  }

  @Test
  void workThatTakesTooLongIsStoppedAndReturned() {
    Conversation talk = leaving(3);
    talk.pass(3);
    assertEquals(List.of(new Effect.Stop(key("runs"), StopReason.DRAIN)), talk.asked);
    talk.end(key("runs"), new Outcome.Stopped());
    assertTrue(talk.lastReport().hasReturned());
  }

  @Test
  void workThatDoesNotStopIsLeftBehind() {
    Conversation talk = leaving(3);
    talk.pass(3);
    talk.pass(7.9);
    assertFalse(saidGoodbye(talk));
    talk.pass(0.1);
    assertTrue(saidGoodbye(talk));
  }

  @Test
  void aStreamThatBreaksMeanwhileIsOpenedAgainAsDraining() {
    Conversation talk = leaving(30);
    talk.session.disconnect();
    talk.said.clear();
    assertTrue(talk.connect().getDraining());
    assertTrue(talk.said.get(0).hasDrainNotice());
  }

  @Test
  void withNothingToDoAndNobodyThereItLeavesWithoutGoodbye() {
    Conversation talk = new Conversation(1, 0);
    talk.session.leave(talk.now, 30, 8);
    talk.turn();
    assertEquals(List.of(new Effect.Leave()), talk.asked);
  }

  @Test
  void reportsThatNobodyTakesAreNotWaitedForForEver() {
    Conversation talk = leaving(3);
    talk.session.disconnect();
    talk.end(key("runs"), new Outcome.Stopped());
    assertEquals(List.of(), talk.asked);
    talk.pass(11);
    assertEquals(List.of(new Effect.Leave()), talk.asked);
  }

  @Test
  void aSecondCallCanOnlyShortenTheTime() {
    Conversation talk = leaving(30);
    talk.session.leave(talk.now, 60, 8);
    talk.session.leave(talk.now, 1, 8);
    talk.pass(1);
    assertEquals(List.of(new Effect.Stop(key("runs"), StopReason.DRAIN)), talk.asked);
  }
}
