package agent

import (
	"slices"
	"testing"
)

func TestLearnedAddressesStandBehindTheGivenOnesAndReplaceThoseLearnedBefore(t *testing.T) {
	a := newAddresses([]string{"a:1"})
	a.learn([]string{"b:1", "a:1", "no address:"})
	if !slices.Equal(a.ring, []string{"a:1", "b:1"}) {
		t.Fatalf("the ring is %v", a.ring)
	}
	a.advance()
	a.learn([]string{"c:1"})
	if a.current() != "b:1" || !slices.Equal(a.ring, []string{"a:1", "c:1", "b:1"}) {
		t.Fatalf("at %s of %v", a.current(), a.ring)
	}
	a.advance()
	if a.current() != "a:1" {
		t.Fatalf("at %s", a.current())
	}
}
