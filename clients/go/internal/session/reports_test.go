package session

import (
	"testing"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

func TestWhatIsNotAcknowledgedIsSentAgainInOrderWithTheSameNumbers(t *testing.T) {
	c := welcomed(t, 2, 0)
	c.grant("a", "b")
	wantLines(t, c.reports(), "1 a started", "2 b started")
	c.succeed("a")
	wantLines(t, c.reports(), "3 a succeeded")
	c.ack(1)
	c.Disconnect()
	c.succeed("b")
	hello := c.connect()
	wantLines(t, named(hello.GetHeld()), "a", "b")
	wantLines(t, c.reports(), "2 b started", "3 a succeeded", "4 b succeeded")
}

func TestAnAckMayBeAheadOfThisStream(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.succeed("a")
	c.messages()
	c.Disconnect()
	c.connect()
	c.ack(1)
	wantLines(t, c.reports())
	if !c.Idle() {
		t.Fatal("not idle")
	}
}

func TestWhatWelcomeDoesNotKeepIsDroppedAndItsReportsAreStillSent(t *testing.T) {
	c := welcomed(t, 2, 0)
	c.grant("a", "b")
	c.messages()
	c.succeed("b")
	c.Disconnect()
	c.reconnect(&pb.Welcome{Drop: refs("a", "b")})
	wantStop(t, c.TakeEffects(c.now), "a", StopDropped)
	c.stopped("a")
	wantLines(t, c.reports(), "1 a started", "2 b started", "3 b succeeded")
	c.ack(3)
	if !c.Idle() {
		t.Fatal("not idle")
	}
}

func TestAStaleReportForgetsTheLeaseAndStopsItsWork(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.messages()
	stale := &pb.Refusal{Number: 1, TaskId: "a", Token: 1, Reason: pb.RefusalReason_REFUSAL_REASON_STALE}
	wantStop(t, c.ack(1, stale), "a", StopDropped)
	c.succeed("a")
	wantLines(t, c.reports())
	if !c.Idle() {
		t.Fatal("not idle")
	}
}

func TestAnOutcomeThatIsCalledInvalidIsReplacedTwiceAtMost(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.succeed("a")
	wantLines(t, c.reports(), "1 a succeeded")
	invalid := func(number uint64) {
		c.ack(number, &pb.Refusal{Number: number, TaskId: "a", Token: 1, Reason: pb.RefusalReason_REFUSAL_REASON_INVALID})
	}
	invalid(1)
	wantLines(t, c.reports(), "2 a failed")
	invalid(2)
	wantLines(t, c.reports(), "3 a returned")
	invalid(3)
	wantLines(t, c.reports())
	if !c.Idle() {
		t.Fatal("not idle")
	}
}

func TestProgressThatIsCalledInvalidCostsNothing(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.Progress(Key{"a", 1}, &pb.Progress{})
	c.messages()
	effects := c.ack(2, &pb.Refusal{Number: 2, TaskId: "a", Token: 1, Reason: pb.RefusalReason_REFUSAL_REASON_INVALID})
	if len(effects) != 0 {
		t.Fatalf("got %v", effects)
	}
	c.succeed("a")
	wantLines(t, c.reports(), "3 a succeeded")
}

func TestAnAckOfAStartThatWasNotSentDoesNotSwallowTheOutcome(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.ack(1)
	c.succeed("a")
	wantLines(t, c.reports(), "2 a succeeded")
}
