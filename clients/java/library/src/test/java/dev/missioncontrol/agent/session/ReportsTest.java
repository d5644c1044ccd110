package dev.missioncontrol.agent.session;

import static dev.missioncontrol.agent.session.Conversation.key;
import static dev.missioncontrol.agent.session.Conversation.lease;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.Payload;
import dev.missioncontrol.v1.Progress;
import dev.missioncontrol.v1.RefusalReason;
import dev.missioncontrol.v1.Report;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReportsTest {
  private static Lease[] leases(int count) {
    return IntStream.range(0, count).mapToObj(i -> lease("task-" + i)).toArray(Lease[]::new);
  }

  private static List<Long> numbers(List<Report> reports) {
    return reports.stream().map(Report::getNumber).toList();
  }

  @Test
  void reportsAreNumberedFromOneAndCarryTheToken() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.succeed(key("a"));
    assertEquals(List.of(1L, 2L), numbers(talk.reports()));
    assertTrue(talk.reports().get(0).hasStarted());
    assertTrue(talk.reports().get(1).hasSucceeded());
    assertEquals(1, talk.reports().get(1).getToken());
  }

  @Test
  void aReportThatGoesOutAnywayConfirmsTheLeases() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    assertEquals(1, talk.said.get(0).getReports().getLeaseBatch());
    talk.pass(1);
    assertFalse(talk.said.stream().anyMatch(AgentMessage::hasLeaseReceipt));
  }

  @Test
  void leasesThatWaitAreConfirmedByAReceipt() {
    Conversation talk = Conversation.begun(1, 1);
    talk.lease(lease("a"));
    talk.said.clear();
    talk.lease(lease("b"));
    assertTrue(talk.said.isEmpty());
    talk.now = talk.session.nextMessageTime();
    talk.turn();
    assertEquals(2, talk.said.get(0).getLeaseReceipt().getNumber());
  }

  @Test
  void whatIsNotAcknowledgedIsSentAgainInOrderWithTheSameNumbers() {
    Conversation talk = Conversation.begun(2, 0);
    talk.lease(leases(2));
    talk.succeed(key("task-0"));
    talk.acknowledge(1);
    List<Report> first = talk.reports().subList(1, 3);
    talk.session.disconnect();
    talk.said.clear();
    talk.connect();
    assertEquals(first, talk.reports());
  }

  @Test
  void aLeaseIsHeldUntilItsOutcomeIsAcknowledged() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.succeed(key("a"));
    talk.session.disconnect();
    assertEquals(List.of(Conversation.reference("a")), talk.connect().getHeldList());
    talk.acknowledge(2);
    talk.session.disconnect();
    assertEquals(List.of(), talk.connect().getHeldList());
  }

  @Test
  void aStartThatWasNotSentIsToldByTheOutcome() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.succeed(key("a"));
    talk.acknowledge(2);
    talk.session.receive(
        Conversation.message()
            .setLeases(dev.missioncontrol.v1.LeaseBatch.newBuilder().addLeases(lease("b")))
            .build(),
        talk.now);
    talk.session.takeEffects(talk.now);
    talk.said.clear();
    talk.succeed(key("b"));
    assertEquals(List.of(3L), numbers(talk.reports()));
    assertTrue(talk.lastReport().hasSucceeded());
  }

  @Test
  void aMessageHas128ReportsAtMost() {
    Conversation talk = Conversation.begun(300, 0);
    talk.lease(leases(300));
    List<Integer> sizes =
        talk.said.stream()
            .filter(AgentMessage::hasReports)
            .map(each -> each.getReports().getReportsCount())
            .toList();
    assertEquals(List.of(128, 128, 44), sizes);
  }

  @Test
  void aMessageHasAbout256KibAtMost() {
    Conversation talk = Conversation.begun(3, 0);
    talk.lease(leases(3));
    talk.session.disconnect();
    Payload large = Payload.newBuilder().setData(ByteString.copyFrom(new byte[100_000])).build();
    for (int i = 0; i < 3; i++) {
      talk.end(key("task-" + i), new Outcome.Success(large));
    }
    talk.said.clear();
    talk.connect();
    assertTrue(talk.said.stream().allMatch(each -> each.getSerializedSize() < 260_000));
    assertEquals(6, talk.reports().size());
  }

  @Test
  void aStaleRefusalStopsTheWorkAndForgetsTheLease() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.refuse(1, RefusalReason.REFUSAL_REASON_STALE);
    assertEquals(new Effect.Stop(key("a"), StopReason.DROPPED), talk.asked.get(1));
    talk.end(key("a"), new Outcome.Stopped());
    assertEquals(1, talk.reports().size());
    talk.session.disconnect();
    assertEquals(List.of(), talk.connect().getHeldList());
  }

  @Test
  void aRefusedStartLeavesTheLeaseAlone() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.refuse(1, RefusalReason.REFUSAL_REASON_INVALID);
    talk.succeed(key("a"));
    assertTrue(talk.lastReport().hasSucceeded());
  }

  @Test
  void anInvalidOutcomeIsReplacedTwiceAndThenTheLeaseIsForgotten() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.succeed(key("a"));
    talk.refuse(2, RefusalReason.REFUSAL_REASON_INVALID);
    assertEquals("OUTCOME_REFUSED", talk.lastReport().getFailed().getFailure().getCode());
    talk.refuse(3, RefusalReason.REFUSAL_REASON_INVALID);
    assertTrue(talk.lastReport().hasReturned());
    talk.refuse(4, RefusalReason.REFUSAL_REASON_INVALID);
    assertEquals(4, talk.reports().size());
    talk.session.disconnect();
    assertEquals(List.of(), talk.connect().getHeldList());
  }

  @Test
  void onlyTheNewestProgressIsSentOnceASecondAndOneAtATime() {
    Conversation talk = Conversation.begun(1, 0);
    talk.lease(lease("a"));
    talk.said.clear();
    for (int i = 1; i <= 4; i++) {
      talk.session.progress(key("a"), Progress.newBuilder().setFraction(i / 10.0).build());
      talk.turn();
    }
    assertEquals(0.1, talk.lastReport().getProgress().getFraction());
    talk.pass(2); // The first is still unacknowledged.
    assertEquals(1, talk.reports().size());
    talk.acknowledge(2);
    assertEquals(0.4, talk.lastReport().getProgress().getFraction());
    assertEquals(2, talk.reports().size());
  }

  @Test
  void aLeaseThatCannotBeTakenIsRejected() {
    Conversation talk = Conversation.begun(1, 0);
    Lease other =
        Conversation.leaseOf("b").setSpec(lease("b").getSpec().toBuilder().setKind("x")).build();
    talk.lease(other);
    assertTrue(talk.lastReport().hasRejected());
    talk.lease(lease("a"), lease("c"));
    assertEquals(List.of(key("a")), talk.started());
    assertTrue(talk.reports().stream().anyMatch(r -> r.hasRejected() && r.getTaskId().equals("c")));
  }

  @Test
  void aLeaseThatComesTwiceIsStartedOnce() {
    Conversation talk = Conversation.begun(2, 0);
    talk.lease(lease("a"));
    talk.lease(lease("a"));
    assertEquals(List.of(key("a")), talk.started());
  }
}
