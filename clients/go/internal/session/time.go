package session

import (
	"math"
	"time"
)

// Time is what a monotonic clock shows that the caller reads: the time since any fixed moment.
type Time = time.Duration

const (
	never  = Time(math.MaxInt64)
	always = Time(math.MinInt64)
)

// after is a moment that is so much later; never stays never.
func after(moment Time, wait time.Duration) Time {
	if wait > 0 && moment > never-wait {
		return never
	}
	if wait < 0 && moment < always-wait {
		return always
	}
	return moment + wait
}
