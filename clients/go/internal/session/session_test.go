package session

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

func TestNothingIsSaidBeforeWelcome(t *testing.T) {
	c := converse(t, 1, 0)
	c.hello()
	c.now += time.Second
	if got := c.messages(); got != nil {
		t.Fatalf("said %v before Welcome", got)
	}
}

func TestWorkIsStartedReportedAndForgottenWhenItsEndIsAcknowledged(t *testing.T) {
	c := welcomed(t, 1, 0)
	wantLines(t, started(c.grant("a")), "a")
	wantLines(t, c.reports(), "1 a started")
	c.succeed("a")
	wantLines(t, c.reports(), "2 a succeeded")
	if c.Idle() {
		t.Fatal("idle before the outcome is acknowledged")
	}
	c.ack(2)
	if !c.Idle() {
		t.Fatal("not idle after the outcome was acknowledged")
	}
}

func TestAStartThatWasNotSentIsToldByTheOutcome(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.succeed("a")
	wantLines(t, c.reports(), "1 a succeeded")
}

func TestAReturnDoesNotHideTheStart(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.order(&pb.Orders{Drain: &pb.DrainOrder{Mode: pb.DrainMode_DRAIN_MODE_RETURN}})
	c.stopped("a")
	wantLines(t, c.reports(), "1 a started", "2 a returned")
}

func TestWhatExceedsTheSlotsWaitsAndWhatExceedsTheQueueIsRejected(t *testing.T) {
	c := welcomed(t, 1, 1)
	wantLines(t, started(c.grant("a", "b", "c")), "a")
	wantLines(t, c.reports(), "1 c rejected", "2 a started")
	c.succeed("a")
	wantLines(t, started(c.TakeEffects(c.now)), "b")
}

func TestAKindWithoutHandlerIsRejected(t *testing.T) {
	c := welcomed(t, 1, 0)
	strange := newLease("a")
	strange.Spec.Kind = "other"
	c.deliver(strange)
	wantLines(t, c.reports(), "1 a rejected")
}

func TestALeaseThatComesTwiceIsOne(t *testing.T) {
	c := welcomed(t, 2, 0)
	c.grant("a")
	if got := started(c.grant("a")); got != nil {
		t.Fatalf("started %v again", got)
	}
}

func TestAReceiptWaitsForAMomentAndThenGoesAlone(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a")
	reports := c.messages()[0].GetReports()
	if reports.GetLeaseBatch() != 1 {
		t.Fatalf("the reports confirm batch %d, not 1", reports.GetLeaseBatch())
	}
	c.grant("b")
	if got := c.messages(); got != nil {
		t.Fatalf("said %v at once", got)
	}
	c.now = c.NextMessageTime()
	if got := c.messages(); len(got) != 1 || got[0].GetLeaseReceipt().GetNumber() != 2 {
		t.Fatalf("said %v, not the receipt of batch 2", got)
	}
}

func TestProgressIsSentAtMostOnceASecondAndOnlyTheNewest(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	tell := func(message string) { c.Progress(Key{"a", 1}, &pb.Progress{Message: message}) }
	tell("first")
	wantLines(t, c.reports(), "1 a started", "2 a progress")
	tell("second")
	c.ack(2)
	c.now += progressInterval / 2
	tell("third")
	wantLines(t, c.reports())
	c.now += progressInterval / 2
	sent := c.messages()[0].GetReports().GetReports()
	if len(sent) != 1 || sent[0].GetProgress().GetMessage() != "third" {
		t.Fatalf("sent %v", sent)
	}
}

func TestAMessageHoldsAtMost128ReportsAndAbout256KiB(t *testing.T) {
	c := welcomed(t, 300, 0)
	for range 300 {
		task := strings.Repeat("x", 10) + string(rune('a'+c.leases.held%26)) + time.Duration(c.leases.held).String()
		c.grant(task)
	}
	for _, message := range c.messages() {
		if reports := message.GetReports().GetReports(); len(reports) > batchItemsMax {
			t.Fatalf("%d reports in one message", len(reports))
		}
	}
	output := &pb.Payload{Data: make([]byte, 200*1024)}
	for _, each := range c.leases.all() {
		c.Ended(each.key, Outcome{Succeeded: &pb.Succeeded{Output: output}}, c.now)
	}
	messages := c.messages()
	if len(messages) != 300 {
		t.Fatalf("300 large reports went in %d messages", len(messages))
	}
}

func TestNoWorkIsStartedWhileTooMuchIsNotAcknowledged(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.Session.reports.unacknowledgedBytes = unacknowledgedBytesMax
	if got := started(c.grant("a")); got != nil {
		t.Fatalf("started %v", got)
	}
}

func TestWorkAtItsTimeLimitFailsWithTimeout(t *testing.T) {
	c := welcomed(t, 1, 0)
	limited := newLease("a")
	limited.RunTimeLimit = durationpb.New(2 * time.Second)
	c.deliver(limited)
	c.messages()
	wantStop(t, c.pass(2*time.Second), "a", StopTimeout)
	c.succeed("a")
	sent := c.messages()[0].GetReports().GetReports()
	if sent[0].GetFailed().GetFailure().GetReason() != pb.FailureReason_FAILURE_REASON_TIMEOUT {
		t.Fatalf("reported %v", sent)
	}
}

func TestTextIsClippedAtACharacterAndIsAlwaysUTF8(t *testing.T) {
	if got := Clip("aü", 2); got != "a" {
		t.Fatalf("clipped to %q", got)
	}
	if got := Clip("\xff", 10); got != "\uFFFD" {
		t.Fatalf("clipped to %q", got)
	}
}
