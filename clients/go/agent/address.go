package agent

import (
	"math/rand/v2"
	"slices"

	client "missioncontrol.dev/client"
)

// A team has a handful of coordinators; more than this is a mistake.
const addressesMax = 32

// addresses are tried one after another: first those that the agent was given, behind them those that the coordinators name.
type addresses struct {
	given, ring []string
	index       int
}

// newAddresses begins anywhere, so that a fleet spreads over all coordinators.
func newAddresses(given []string) *addresses {
	return &addresses{given: given, ring: given, index: rand.IntN(len(given))}
}

func (a *addresses) current() string { return a.ring[a.index] }

func (a *addresses) advance() { a.index = (a.index + 1) % len(a.ring) }

// learn puts the live coordinators behind the given addresses, in place of those learned before. It keeps the current one.
func (a *addresses) learn(live []string) {
	current, ring := a.current(), slices.Clone(a.given)
	for _, each := range append(slices.Clone(live), current) {
		// A coordinator that names something strange must not keep the agent from the others.
		parsed, err := client.ParseAddresses(each)
		if err == nil && !slices.Contains(ring, parsed[0]) && len(ring) < max(addressesMax, len(a.given)) {
			ring = append(ring, parsed[0])
		}
	}
	a.ring, a.index = ring, max(slices.Index(ring, current), 0)
}
