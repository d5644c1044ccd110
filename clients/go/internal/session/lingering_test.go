package session

import (
	"testing"
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

func TestWorkThatDoesNotStopKeepsItsSlot(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.order(&pb.Orders{Drop: refs("a")})
	if got := started(c.grant("b")); got != nil {
		t.Fatalf("started %v in a slot that is taken", got)
	}
	c.stopped("a")
	wantLines(t, started(c.TakeEffects(c.now)), "b")
}

func TestWorkThatDoesNotStopForLongIsToldByHelloAndItsEndToo(t *testing.T) {
	c := welcomed(t, 2, 0)
	c.grant("a")
	c.order(&pb.Orders{Drop: refs("a")})
	if effects := c.passEchoing(lingeringMax - time.Second); len(effects) != 0 {
		t.Fatalf("got %v too early", effects)
	}
	wantReconnect(t, c.passEchoing(time.Second))
	if hello := c.connect(); hello.GetSlots() != 1 || hello.GetDraining() {
		t.Fatalf("offers %v", hello)
	}
	if effects := c.passEchoing(time.Second); len(effects) != 0 {
		t.Fatalf("got %v", effects)
	}
	c.stopped("a")
	wantReconnect(t, c.pass(0))
	if hello := c.connect(); hello.GetSlots() != 2 {
		t.Fatalf("offers %v", hello)
	}
}

func TestWithoutASlotLeftHelloSaysThatItDrains(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a", "b")
	c.order(&pb.Orders{Drop: refs("a")})
	wantReconnect(t, c.passEchoing(lingeringMax))
	if hello := c.connect(); !hello.GetDraining() || hello.GetSlots() != 1 {
		t.Fatalf("offers %v", hello)
	}
	wantLines(t, c.reports(), "1 a started", "2 b returned")
}

func TestAnotherLeaseOfATaskWhoseWorkLingersWaitsForItsEnd(t *testing.T) {
	c := welcomed(t, 2, 0)
	c.grant("a")
	c.order(&pb.Orders{Drop: refs("a")})
	again := newLease("a")
	again.Token = 2
	if got := started(c.deliver(again)); got != nil {
		t.Fatalf("started %v beside its earlier work", got)
	}
	c.stopped("a")
	wantLines(t, started(c.TakeEffects(c.now)), "a")
}
