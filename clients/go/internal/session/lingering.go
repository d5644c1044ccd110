package session

import (
	"maps"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// lingering is work whose lease is gone and that does not stop: it has a slot which the coordinator takes for free. For a moment that is as
// it should be. What takes longer is told by Hello: the agent connects again with fewer slots, and once more when the work has ended.
type lingering struct {
	leases map[Key]lingerer
	// told is what of it the last Hello told.
	told map[Key]bool
}

type lingerer struct {
	lease *pb.Lease
	// overdueTime is from when it counts as lingering.
	overdueTime Time
}

func (l *lingering) begin(each *lease, now Time) {
	l.leases[each.key] = lingerer{each.message, after(now, lingeringMax)}
}

func (l *lingering) end(key Key) { delete(l.leases, key) }

// changed tells whether the coordinator should be told anew.
func (l *lingering) changed(now Time) bool { return !maps.Equal(l.overdue(now), l.told) }

// dueTime is when time alone makes it so.
func (l *lingering) dueTime() Time {
	due := never
	for key, each := range l.leases {
		if !l.told[key] {
			due = min(due, each.overdueTime)
		}
	}
	return due
}

// toldTasks are the tasks whose earlier work was told to linger: a new lease of one could not start here.
func (l *lingering) toldTasks() map[string]bool {
	tasks := map[string]bool{}
	for key := range l.told {
		tasks[key.TaskID] = true
	}
	return tasks
}

// tell takes off Hello what is not there to be used, and returns how many slots are left. None left is a drain.
func (l *lingering) tell(hello *pb.Hello, now Time) (slots int) {
	l.told = l.overdue(now)
	slots = int(hello.GetSlots()) - len(l.told)
	if slots > 0 {
		hello.Slots = uint32(slots)
	} else {
		hello.Draining = true
	}
	for key := range l.told {
		for name, amount := range l.leases[key].lease.GetSpec().GetRequirements().GetResources() {
			if has, declared := hello.Resources[name]; declared {
				hello.Resources[name] = max(0, has-amount)
			}
		}
	}
	return slots
}

func (l *lingering) overdue(now Time) map[Key]bool {
	found := map[Key]bool{}
	for key, each := range l.leases {
		if now >= each.overdueTime {
			found[key] = true
		}
	}
	return found
}
