package dev.missioncontrol.agent.session;

import static dev.missioncontrol.agent.session.Conversation.key;
import static dev.missioncontrol.agent.session.Conversation.lease;
import static dev.missioncontrol.agent.session.Conversation.leaseOf;
import static dev.missioncontrol.agent.session.Conversation.reference;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.missioncontrol.v1.Hello;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.Orders;
import dev.missioncontrol.v1.Requirements;
import java.util.List;
import org.junit.jupiter.api.Test;

class LingeringTest {
  /** The lease of work that goes on is dropped, and that takes longer than a moment. */
  private static Conversation stuck(int slots, Lease lease) {
    Conversation talk = Conversation.begun(slots, 0);
    talk.lease(lease);
    talk.orders(Orders.newBuilder().addDrop(reference("a")));
    talk.asked.clear();
    talk.pass(Limits.LINGERING_SECONDS);
    return talk;
  }

  @Test
  void theAgentConnectsAgainWithFewerSlotsAndResources() {
    Requirements needs = Requirements.newBuilder().putResources("gpu", 1.5).build();
    Lease lease =
        leaseOf("a").setSpec(lease("a").getSpec().toBuilder().setRequirements(needs)).build();
    Conversation talk = stuck(2, lease);
    assertInstanceOf(Effect.Reconnect.class, talk.asked.get(0));
    Hello hello = talk.connect();
    assertEquals(1, hello.getSlots());
    assertEquals(0.5, hello.getResourcesOrThrow("gpu"), 1e-9);
    assertFalse(hello.getDraining());
  }

  @Test
  void withNoSlotLeftItTakesNothing() {
    Conversation talk = stuck(1, lease("a"));
    assertTrue(talk.connect().getDraining());
  }

  @Test
  void whenTheWorkHasEndedItOffersAllSlotsAgain() {
    Conversation talk = stuck(2, lease("a"));
    talk.connect();
    talk.asked.clear();
    talk.end(key("a"), new Outcome.Stopped());
    assertInstanceOf(Effect.Reconnect.class, talk.asked.get(0));
    assertEquals(2, talk.connect().getSlots());
  }

  @Test
  void workThatStopsInTimeIsNotToldOf() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.orders(Orders.newBuilder().addDrop(reference("a")));
    talk.end(key("a"), new Outcome.Stopped());
    talk.asked.clear();
    talk.pass(Limits.LINGERING_SECONDS);
    assertEquals(List.of(), talk.asked);
  }

  @Test
  void aNewLeaseOfTheSameTaskIsRejectedWhileTheOldWorkIsStuck() {
    Conversation talk = stuck(2, lease("a"));
    talk.connect();
    talk.lease(leaseOf("a").setToken(2).build());
    assertTrue(talk.lastReport().hasRejected());
  }
}
