package session

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// heartbeat is the next one, when it is due.
func (c *conversation) heartbeat() *pb.Heartbeat {
	c.t.Helper()
	c.messages()
	c.now = c.NextMessageTime()
	for _, message := range c.messages() {
		if heartbeat := message.GetHeartbeat(); heartbeat != nil {
			return heartbeat
		}
	}
	c.t.Fatal("no heartbeat")
	return nil
}

func TestHeartbeatsComeEveryInterval(t *testing.T) {
	c := welcomed(t, 1, 0)
	begin := c.now
	c.echo(c.heartbeat())
	c.echo(c.heartbeat())
	if c.now != begin+2*interval {
		t.Fatalf("two heartbeats in %v", c.now-begin)
	}
}

func TestSixHeartbeatsComeInTheShortestTimeToLive(t *testing.T) {
	c := welcomed(t, 1, 0)
	short := newLease("a")
	short.Ttl = durationpb.New(6 * time.Second)
	c.deliver(short)
	c.echo(c.heartbeat())
	begin := c.now
	c.echo(c.heartbeat())
	if c.now != begin+time.Second {
		t.Fatalf("the next heartbeat after %v", c.now-begin)
	}
}

func TestTheSetIsNamedUntilItsVersionIsEchoedOnThisStream(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	first, second := c.heartbeat(), c.heartbeat()
	if !first.GetHeldIncluded() || !second.GetHeldIncluded() || len(second.GetHeld()) != 1 {
		t.Fatalf("not named: %v, %v", first, second)
	}
	c.echo(first)
	if third := c.heartbeat(); third.GetHeldIncluded() || third.GetHeldVersion() != first.GetHeldVersion() {
		t.Fatalf("named again: %v", third)
	}
	c.Disconnect()
	c.connect()
	if fresh := c.heartbeat(); !fresh.GetHeldIncluded() || fresh.GetNumber() != 1 {
		t.Fatalf("not named on the new stream: %v", fresh)
	}
}

func TestNoEchoForTheTimeoutConnectsAgainElsewhere(t *testing.T) {
	c := welcomed(t, 1, 0)
	if effects := c.pass(echoMax - 1); len(effects) != 0 {
		t.Fatalf("got %v too early", effects)
	}
	effects := c.pass(1)
	wantReconnect(t, effects)
	if !effects[0].(Reconnect).Elsewhere {
		t.Fatal("at the same address")
	}
}

func TestNoWelcomeConnectsAgain(t *testing.T) {
	c := converse(t, 1, 0)
	c.hello()
	wantReconnect(t, c.pass(welcomeTimeout))
}

func TestWhatComesAfterTheTimeoutIsNotBelieved(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.now += echoMax
	if got := started(c.grant("late")); got != nil {
		t.Fatalf("started %v", got)
	}
}

func TestWorkStopsTwoThirdsOfItsTimeAfterTheSendingOfTheLastEchoedHeartbeat(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	heartbeat := c.heartbeat()
	sent := c.now
	c.now += 3 * time.Second // the echo takes its time, which does not count
	c.echo(heartbeat)
	c.Disconnect()
	if effects := c.pass(sent + 20*time.Second - 1 - c.now); len(effects) != 0 {
		t.Fatalf("got %v too early", effects)
	}
	wantStop(t, c.pass(1), "a", StopLost)
	c.fail("a")
	c.connect()
	wantLines(t, c.reports(), "1 a started", "2 a returned")
}

func TestALeaseThatNoHeartbeatNamedIsTrustedForAWhileAfterItsDelivery(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	c.Disconnect()
	if effects := c.pass(20*time.Second - 1); len(effects) != 0 {
		t.Fatalf("got %v too early", effects)
	}
	wantStop(t, c.pass(1), "a", StopLost)
}

func TestEchoesKeepWorkGoing(t *testing.T) {
	c := welcomed(t, 1, 0)
	c.grant("a")
	if effects := c.passEchoing(10 * ttl); len(effects) != 0 {
		t.Fatalf("got %v", effects)
	}
}

func TestAnEchoOfAHeartbeatThatDidNotNameTheLeaseDoesNotRenewIt(t *testing.T) {
	c := welcomed(t, 1, 0)
	welcomedTime := c.now
	before := c.heartbeat()
	c.now += time.Second
	c.grant("a")
	c.messages()
	c.echo(before)
	c.Disconnect()
	wantStop(t, c.pass(welcomedTime+20*time.Second-c.now), "a", StopLost)
}

func TestWhatWaitsIsReturnedWhenItsLeaseRunsOut(t *testing.T) {
	c := welcomed(t, 1, 1)
	c.grant("a", "b")
	c.messages()
	c.Disconnect()
	c.pass(20 * time.Second)
	c.connect()
	wantLines(t, c.reports(), "1 a started", "2 b returned")
}
