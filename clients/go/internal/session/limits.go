package session

import "time"

// Every bound of the session by name, with its reason.
const (
	// The contract's bounds of one message.
	batchItemsMax = 128
	batchBytesMax = 256 * 1024
	// No Welcome for so long: the address is taken for dead, and the next one is tried.
	welcomeTimeout = 10 * time.Second
	// Used until a Welcome names its own.
	defaultHeartbeatInterval = 5 * time.Second
	defaultEchoTimeout       = 12 * time.Second
	defaultJitter            = 100 * time.Millisecond
	// Heartbeats in the time to live of the shortest lease held: the contract says six.
	heartbeatsPerTTL = 6
	// So many echoes may be waited for at once; a coordinator that is further behind has not answered for far longer than the timeout.
	unechoedMax = 1024
	// A receipt waits for so long for a report that can say the same.
	receiptPause = 20 * time.Millisecond
	// The coordinator records progress once a second; more would only be thrown away there.
	progressInterval = time.Second
	// Outcomes that are not acknowledged are kept in memory; beyond this no further work is started. What runs then still ends, so the
	// true bound is this plus one payload for each slot.
	unacknowledgedBytesMax = 64 * 1024 * 1024
	// Work whose lease is gone may take so long to stop before the coordinator is told that its slot is not free.
	lingeringMax = 6 * time.Second
	// The coordinator ends the stream after a Goodbye; it is not waited for longer than this.
	goodbyeTimeout = 2 * time.Second
	// What people read in a report; the contract's bound is 1 KiB.
	messageBytesMax = 1000
)

// selfStop is when an agent stops a lease's work by itself: two thirds of its time to live. The rest is for the coordinator's clock.
func selfStop(ttl time.Duration) time.Duration { return ttl / 3 * 2 }

// unconfirmed is for how much of its time to live a lease that arrives is trusted before any heartbeat has named it.
func unconfirmed(ttl time.Duration) time.Duration { return ttl / 3 }
