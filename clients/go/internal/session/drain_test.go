package session

import (
	"slices"
	"testing"
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

const (
	drainTime = 10 * time.Second
	grace     = 3 * time.Second
)

func (c *conversation) leave() { c.Leave(c.now, drainTime, grace) }

func left(effects []Effect) bool { return slices.Contains(effects, Effect(Leave{})) }

func TestLeavingGivesNoticeReturnsWhatWaitsFinishesWhatRunsAndSaysGoodbye(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a", "b")
	c.messages()
	c.leave()
	said := c.messages()
	if said[0].GetDrainNotice() == nil || describe(said[1].GetReports().GetReports()[0]) != "2 b returned" {
		t.Fatalf("said %v", said)
	}
	c.succeed("a")
	wantLines(t, c.reports(), "3 a succeeded")
	c.ack(3)
	if said := c.messages(); len(said) != 1 || said[0].GetGoodbye() == nil || !c.Left() {
		t.Fatalf("said %v", said)
	}
	if left(c.TakeEffects(c.now)) {
		t.Fatal("left before the coordinator ended the stream")
	}
	if !left(c.pass(goodbyeTimeout)) {
		t.Fatal("waits for ever for the end of the stream")
	}
}

func TestWhatRunsOnAfterTheDrainTimeIsStoppedAndReturned(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.messages()
	c.leave()
	wantStop(t, c.passEchoing(drainTime), "a", StopDrain)
	c.fail("a")
	wantLines(t, c.reports(), "2 a returned")
}

func TestWorkThatDoesNotStopIsLeftBehind(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.leave()
	c.passEchoing(drainTime + grace)
	if !c.Left() {
		t.Fatal("no goodbye")
	}
}

func TestASecondCallShortensTheTime(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.leave()
	c.Leave(c.now, 0, grace)
	wantStop(t, c.TakeEffects(c.now), "a", StopDrain)
}

func TestAReconnectDuringTheDrainSaysSoInHello(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.leave()
	c.Disconnect()
	if hello := c.connect(); !hello.GetDraining() {
		t.Fatal("Hello does not say that it drains")
	}
	if said := c.messages(); said[0].GetDrainNotice() == nil {
		t.Fatalf("said %v", said)
	}
}

func TestAnIdleAgentWithoutAStreamLeavesAtOnce(t *testing.T) {
	c := converse(t, 1, 0)
	c.leave()
	if !left(c.TakeEffects(c.now)) {
		t.Fatal("waits for nobody")
	}
}

func TestAnAgentWithOutcomesToTellWaitsForAStreamButNotForEver(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.succeed("a")
	c.Disconnect()
	c.leave()
	if left(c.TakeEffects(c.now)) {
		t.Fatal("left with an outcome untold")
	}
	if !left(c.pass(drainTime + grace)) {
		t.Fatal("waits for ever")
	}
}

func TestWhatArrivesDuringTheDrainIsReturned(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.leave()
	c.now += time.Millisecond
	c.NextMessage(c.now)
	c.grant("late")
	wantLines(t, c.reports(), "1 late returned")
}

func TestResumeDoesNotCallOffTheAgentsOwnLeaving(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.leave()
	c.order(&pb.Orders{Resume: true})
	c.grant("b")
	if got := c.reports(); !slices.Contains(got, "2 b returned") {
		t.Fatalf("reported %q", got)
	}
}
