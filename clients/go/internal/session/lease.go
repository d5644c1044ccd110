package session

import (
	"cmp"
	"slices"
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

type phase int

const (
	waiting phase = iota // in the agent's queue
	running              // its work was started
	ended                // its last report is made
)

// lease is one lease and what the session knows of it. It is held from its delivery until its last report is acknowledged: held leases are
// what heartbeats name. It is busy from its start until its work has really ended, held or not: a busy lease takes a slot.
type lease struct {
	key     Key
	message *pb.Lease
	ttl     time.Duration
	// version is that of the held set when this lease came to it: a heartbeat of this version or a later one names it.
	version uint64
	// trustedTime is where the time to live begins at the earliest, before any echoed heartbeat named the lease.
	trustedTime Time
	phase       phase
	held        bool
	stop        StopReason
	limitTime   Time
	// refused counts its outcomes that the coordinator called invalid.
	refused int

	progress         *pb.Progress
	progressTime     Time
	progressInFlight bool
}

func (l *lease) busy() bool { return l.phase == running }

// mayStop tells whether its work is to be told so. The first reason stands, since the work was told it; only a cancel wins over it, being
// final.
func (l *lease) mayStop(reason StopReason) bool {
	return l.stop == "" || (reason == StopCancel && l.stop != StopDropped)
}

// leaseTable is all leases of the agent.
type leaseTable struct {
	slots, queueLimit int
	// version rises by one with each lease that comes to the held set or goes from it.
	version uint64
	held    int
	busy    int
	// lingering counts what is busy and not held any more.
	lingering int
	// shortestTTL is not longer than that of any lease held; exact after references.
	shortestTTL time.Duration
	byKey       map[Key]*lease
	waiting     []*lease
	busyTasks   map[string]bool
}

func newLeaseTable(slots, queueLimit int) leaseTable {
	return leaseTable{
		slots: slots, queueLimit: queueLimit, shortestTTL: time.Duration(never),
		byKey: map[Key]*lease{}, busyTasks: map[string]bool{},
	}
}

// all is every lease, held or busy, the oldest first.
func (t *leaseTable) all() []*lease {
	found := make([]*lease, 0, len(t.byKey))
	for _, each := range t.byKey {
		found = append(found, each)
	}
	slices.SortFunc(found, func(a, b *lease) int {
		return cmp.Compare(a.version, b.version)
	})
	return found
}

// load is what counts against the agent's offer. What lingers is no lease any more: one that comes for its slot waits for its end.
func (t *leaseTable) load() int { return len(t.waiting) + t.busy - t.lingering }

func (t *leaseTable) full() bool { return t.load() >= t.slots+t.queueLimit }

func (t *leaseTable) add(message *pb.Lease, ttl time.Duration, trusted Time) *lease {
	t.version++
	t.held++
	t.shortestTTL = min(t.shortestTTL, ttl)
	added := &lease{
		key: keyOf(message), message: message, ttl: ttl, version: t.version, trustedTime: trusted,
		held: true, limitTime: never, progressTime: always,
	}
	t.byKey[added.key] = added
	return added
}

func (t *leaseTable) wait(l *lease) { t.waiting = append(t.waiting, l) }

// start takes waiting leases, oldest first, as many as slots are free. A task whose earlier work lingers waits for its end.
func (t *leaseTable) start() []*lease {
	if t.busy >= t.slots || len(t.waiting) == 0 {
		return nil
	}
	var started, left []*lease
	for _, each := range t.waiting {
		if t.busy >= t.slots || t.busyTasks[each.key.TaskID] {
			left = append(left, each)
			continue
		}
		each.phase = running
		t.busy++
		t.busyTasks[each.key.TaskID] = true
		started = append(started, each)
	}
	t.waiting = left
	return started
}

// end says that the lease's work is over, or will never start: its slot, or its place in the queue, is free.
func (t *leaseTable) end(l *lease) {
	switch l.phase {
	case waiting:
		t.unqueue(l)
	case running:
		t.busy--
		delete(t.busyTasks, l.key.TaskID)
		if !l.held {
			t.lingering--
		}
	}
	l.phase = ended
	if !l.held {
		delete(t.byKey, l.key)
	}
}

// forget takes the lease off the held set. If its work still runs, its slot stays taken until end.
func (t *leaseTable) forget(l *lease) {
	if !l.held {
		return
	}
	l.held = false
	t.version++
	t.held--
	switch l.phase {
	case waiting:
		t.end(l)
	case running:
		t.lingering++
	case ended:
		delete(t.byKey, l.key)
	}
}

func (t *leaseTable) unqueue(l *lease) {
	t.waiting = slices.DeleteFunc(t.waiting, func(each *lease) bool { return each == l })
}

// surplus is the waiting leases that cannot stay if so many slots are left: those of tasks that are stuck, and the newest that are too
// many; all of them if no slot is left.
func (t *leaseTable) surplus(slots int, stuck map[string]bool) []*lease {
	room := 0
	if slots > 0 {
		room = slots + t.queueLimit
	}
	var found, others []*lease
	for _, each := range slices.Backward(t.waiting) {
		if stuck[each.key.TaskID] {
			found = append(found, each)
		} else {
			others = append(others, each)
		}
	}
	many := t.load() - len(found) - room
	return append(found, others[:max(0, min(many, len(others)))]...)
}

// references is the set of leases held, as heartbeats and Hello name it.
func (t *leaseTable) references() []*pb.LeaseReference {
	t.shortestTTL = time.Duration(never)
	found := make([]*pb.LeaseReference, 0, t.held)
	for _, each := range t.all() {
		if each.held {
			t.shortestTTL = min(t.shortestTTL, each.ttl)
			found = append(found, &pb.LeaseReference{TaskId: each.key.TaskID, Token: each.key.Token})
		}
	}
	return found
}

func keyOf(named interface {
	GetTaskId() string
	GetToken() uint64
}) Key {
	return Key{named.GetTaskId(), named.GetToken()}
}
