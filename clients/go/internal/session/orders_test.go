package session

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

func TestACancelStopsWhatRunsAndReportsIt(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.messages()
	wantStop(t, c.order(&pb.Orders{Cancel: refs("a")}), "a", StopCancel)
	c.fail("a")
	wantLines(t, c.reports(), "2 a cancelled")
}

func TestASuccessWinsOverACancel(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.messages()
	c.order(&pb.Orders{Cancel: refs("a")})
	c.succeed("a")
	wantLines(t, c.reports(), "2 a succeeded")
}

func TestACancelOfWhatWaitsIsReportedAtOnce(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a", "b")
	c.messages()
	c.order(&pb.Orders{Cancel: refs("b")})
	wantLines(t, c.reports(), "2 b cancelled")
}

func TestACancelThatCameWhileTheAgentWasAwayIsInWelcome(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.Disconnect()
	c.reconnect(&pb.Welcome{Keep: refs("a"), Orders: &pb.Orders{Cancel: refs("a")}})
	wantStop(t, c.TakeEffects(c.now), "a", StopCancel)
}

func TestARecallReturnsOnlyWhatHasNotStarted(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a", "b")
	c.messages()
	effects := c.order(&pb.Orders{Recall: refs("a", "b")})
	if len(effects) != 0 {
		t.Fatalf("got %v", effects)
	}
	wantLines(t, c.reports(), "2 b returned")
}

func TestADropStopsAndSaysNothing(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a", "b")
	c.messages()
	wantStop(t, c.order(&pb.Orders{Drop: refs("a", "b")}), "a", StopDropped)
	c.succeed("a")
	wantLines(t, c.reports())
	if !c.Idle() {
		t.Fatal("something of the dropped leases is left")
	}
}

func TestACancelWinsOverAnotherReasonToStop(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.messages()
	c.order(&pb.Orders{Drain: &pb.DrainOrder{Mode: pb.DrainMode_DRAIN_MODE_RETURN}})
	wantStop(t, c.order(&pb.Orders{Cancel: refs("a")}), "a", StopCancel)
	c.stopped("a")
	wantLines(t, c.reports(), "2 a cancelled")
}

func TestADropCannotBeCancelled(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.order(&pb.Orders{Drop: refs("a")})
	if effects := c.order(&pb.Orders{Cancel: refs("a")}); len(effects) != 0 {
		t.Fatalf("got %v", effects)
	}
}

func TestAnOrderedDrainWithReturnGivesEverythingBackAndResumeTakesWorkAgain(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a", "b")
	c.messages()
	wantStop(t, c.order(&pb.Orders{Drain: &pb.DrainOrder{Mode: pb.DrainMode_DRAIN_MODE_RETURN}}), "a", StopDrain)
	c.stopped("a")
	wantLines(t, c.reports(), "2 b returned", "3 a returned")
	c.grant("c")
	wantLines(t, c.reports(), "4 c returned")
	c.ack(4)
	c.order(&pb.Orders{Resume: true})
	wantLines(t, started(c.grant("d")), "d")
}

func TestAnOrderedDrainWithFinishLetsWorkEndUntilItsLimit(t *testing.T) {
	c := welcomed(t, 2, 0)
	c.grant("a", "b")
	c.messages()
	effects := c.order(&pb.Orders{Drain: &pb.DrainOrder{TimeLimit: durationpb.New(10 * time.Second)}})
	if len(effects) != 0 {
		t.Fatalf("got %v", effects)
	}
	c.passEchoing(5 * time.Second)
	c.succeed("a")
	wantLines(t, c.reports(), "3 a succeeded")
	wantStop(t, c.passEchoing(5*time.Second), "b", StopDrain)
}

func TestARepeatedDrainMakesTheTimeNoLonger(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	drain := &pb.Orders{Drain: &pb.DrainOrder{TimeLimit: durationpb.New(4 * time.Second)}}
	c.order(drain)
	c.passEchoing(2 * time.Second)
	c.order(drain)
	wantStop(t, c.passEchoing(2*time.Second), "a", StopDrain)
}

func TestMovingConnectsAgainAfterItsDelay(t *testing.T) {
	c := welcomed(t, 1, 0)
	moving := &pb.Moving{Message: "restart", Delay: durationpb.New(time.Second)}
	c.receive(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Moving{Moving: moving}})
	effects := c.TakeEffects(c.now)
	if len(effects) != 1 || effects[0].(Reconnect).Delay != time.Second || !effects[0].(Reconnect).Elsewhere {
		t.Fatalf("got %v", effects)
	}
}

func TestUnknownMessagesAreIgnored(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.receive(&pb.CoordinatorMessage{})
	if effects := c.TakeEffects(c.now); len(effects) != 0 {
		t.Fatalf("got %v", effects)
	}
}
