package dev.missioncontrol.agent.session;

import static dev.missioncontrol.agent.session.Conversation.key;
import static dev.missioncontrol.agent.session.Conversation.lease;
import static dev.missioncontrol.agent.session.Conversation.leaseOf;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.Heartbeat;
import java.util.List;
import org.junit.jupiter.api.Test;

class LivenessTest {
  private static List<Heartbeat> heartbeats(Conversation talk) {
    return talk.said.stream()
        .filter(AgentMessage::hasHeartbeat)
        .map(AgentMessage::getHeartbeat)
        .toList();
  }

  @Test
  void nothingIsSaidBeforeWelcome() {
    Conversation talk = new Conversation(1, 0);
    talk.session.connect(talk.now);
    talk.pass(Conversation.INTERVAL_SECONDS);
    assertTrue(talk.said.isEmpty());
  }

  @Test
  void aHeartbeatGoesOutAtEachIntervalAlsoWhenIdle() {
    Conversation talk = Conversation.begun(1, 0);
    talk.pass(Conversation.INTERVAL_SECONDS - 0.1);
    assertTrue(talk.said.isEmpty());
    talk.pass(0.1);
    assertEquals(1, heartbeats(talk).get(0).getNumber());
    assertEquals(talk.now + Conversation.INTERVAL_SECONDS, talk.session.nextMessageTime(), 1e-6);
  }

  @Test
  void aShortLeaseGetsSixHeartbeatsInItsTimeToLive() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(leaseOf("a").setTtl(Conversation.duration(6)).build());
    for (int i = 0; i < 60; i++) {
      talk.pass(0.1);
    }
    assertTrue(heartbeats(talk).size() >= 6, () -> heartbeats(talk).size() + " heartbeats");
  }

  @Test
  void theSetIsNamedUntilItsVersionIsEchoed() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.pass(Conversation.INTERVAL_SECONDS);
    talk.pass(Conversation.INTERVAL_SECONDS);
    for (Heartbeat each : heartbeats(talk)) {
      assertTrue(each.getHeldIncluded());
      assertEquals(1, each.getHeldVersion());
      assertEquals(List.of(Conversation.reference("a")), each.getHeldList());
    }
    talk.echoAll();
    talk.pass(Conversation.INTERVAL_SECONDS);
    assertFalse(heartbeats(talk).get(0).getHeldIncluded());
    assertEquals(List.of(), heartbeats(talk).get(0).getHeldList());
  }

  @Test
  void silenceForTheEchoTimeoutEndsTheStream() {
    Conversation talk = Conversation.begun(1, 0);
    talk.pass(Conversation.ECHO_SECONDS - 0.1);
    assertTrue(talk.asked.isEmpty());
    talk.pass(0.1);
    assertTrue(assertInstanceOf(Effect.Reconnect.class, talk.asked.get(0)).elsewhere());
    assertFalse(talk.session.connected());
  }

  @Test
  void anAddressThatSendsNoWelcomeIsGivenUp() {
    Conversation talk = new Conversation(1, 0);
    talk.session.connect(talk.now);
    talk.pass(Limits.WELCOME_SECONDS);
    assertInstanceOf(Effect.Reconnect.class, talk.asked.get(0));
  }

  @Test
  void whatWaitedInTheSocketWhileTheProcessWasStoppedIsNotTakenIn() {
    Conversation talk = Conversation.begun(1, 0);
    talk.now += Conversation.ECHO_SECONDS;
    talk.lease(lease("a"));
    assertEquals(List.of(), talk.started());
  }

  @Test
  void workIsStoppedTwoThirdsOfTheTimeToLiveAfterTheLastEchoedHeartbeatWasSent() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.pass(Conversation.INTERVAL_SECONDS);
    double sentTime = talk.now;
    talk.now += 2; // The echo takes a while; it proves nothing of that time.
    talk.echoAll();
    talk.session.disconnect();
    talk.asked.clear();

    talk.now = sentTime + Conversation.TTL_SECONDS * 2 / 3 - 0.01;
    talk.turn();
    assertEquals(List.of(), talk.asked);
    talk.pass(0.02);
    assertEquals(List.of(new Effect.Stop(key("a"), StopReason.LOST)), talk.asked);
  }

  @Test
  void anEchoedHeartbeatThatDoesNotNameALeaseDoesNotRenewIt() {
    Conversation talk = Conversation.begun(1, 0);
    talk.pass(Conversation.INTERVAL_SECONDS); // A heartbeat before the lease, echoed after it.
    talk.lease(lease("a"));
    double deliveryTime = talk.now;
    talk.echoAll();
    talk.session.disconnect();
    talk.asked.clear();

    talk.now = deliveryTime + Conversation.TTL_SECONDS * 2 / 3 + 0.01;
    talk.turn();
    assertEquals(List.of(new Effect.Stop(key("a"), StopReason.LOST)), talk.asked);
  }

  @Test
  void aWelcomeRenewsWhatItsHelloNamed() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.session.disconnect();
    talk.pass(15);
    talk.connect();
    talk.asked.clear();
    talk.pass(10); // 25 s after the delivery, 10 s after the Hello.
    assertEquals(List.of(), talk.asked);
  }

  @Test
  void workThatWasLostAndStopsIsReturned() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.session.disconnect();
    talk.pass(21);
    talk.end(key("a"), new Outcome.Stopped());
    talk.connect();
    assertTrue(talk.lastReport().hasReturned());
  }
}
