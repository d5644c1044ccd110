package session

import (
	"slices"
	"time"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Ended says that the lease's work has ended, in whatever way. Its slot is free.
func (s *Session) Ended(key Key, outcome Outcome, now Time) {
	each := s.leases.byKey[key]
	if each == nil || each.phase != running {
		return
	}
	if each.held {
		s.putProgressOf(each, now)
	}
	s.end(each, finalReport(outcome, each.stop))
}

// Progress says that the work got further. Only the newest is sent, at most once a second.
func (s *Session) Progress(key Key, progress *pb.Progress) {
	each := s.leases.byKey[key]
	if each == nil || each.phase != running || !each.held {
		return
	}
	each.progress = progress
	s.progressed[key] = each
	if !each.progressInFlight {
		s.progressDueTime = min(s.progressDueTime, after(each.progressTime, progressInterval))
	}
}

// Leave says that the agent is to end: no more work, what runs may finish within limit, then stops within grace. A second call can
// shorten that.
func (s *Session) Leave(now Time, limit, grace time.Duration) {
	s.drain.leaveWithin(now, limit, grace)
	s.returnWaiting()
	s.Tick(now)
}

func (s *Session) start(each *lease, now Time) {
	s.reports.add(each.key, &pb.Report{Event: &pb.Report_Started{Started: &pb.Started{}}})
	if limit := each.message.GetRunTimeLimit(); limit != nil {
		each.limitTime = after(now, limit.AsDuration())
		s.limitTime = min(s.limitTime, each.limitTime)
	}
	s.effects = append(s.effects, Start{each.message})
}

// end says that nothing more will come of the lease but this report; nil says nothing.
func (s *Session) end(each *lease, report *pb.Report) {
	delete(s.progressed, each.key)
	s.leases.end(each)
	s.lingering.end(each.key)
	if report != nil {
		s.reports.add(each.key, report)
	}
}

// drop forgets a lease that is not the agent's any more, and stops its work.
func (s *Session) drop(key Key, now Time) {
	each := s.leases.byKey[key]
	if each == nil || !each.held {
		return
	}
	delete(s.progressed, key)
	s.leases.forget(each)
	if each.busy() {
		each.stop = StopDropped
		s.lingering.begin(each, now)
		s.effects = append(s.effects, Stop{key, StopDropped})
	}
}

func (s *Session) stop(each *lease, reason StopReason) {
	switch {
	case each.phase == waiting:
		s.end(each, finalReport(Outcome{Cancelled: &pb.Cancelled{}}, reason))
	case each.busy() && each.mayStop(reason):
		each.stop = reason
		s.effects = append(s.effects, Stop{each.key, reason})
	}
}

// stopUnrenewed stops the work of leases that no echo has proved for two thirds of their time to live: soon somebody else may have them.
func (s *Session) stopUnrenewed(now Time) {
	s.selfStopTime = never
	for _, each := range s.leases.all() {
		if !each.held || each.phase == ended || each.stop == StopLost {
			continue
		}
		stopTime := after(s.liveness.renewedTime(each), selfStop(each.ttl))
		if now >= stopTime {
			s.stop(each, StopLost)
		} else {
			s.selfStopTime = min(s.selfStopTime, stopTime)
		}
	}
}

func (s *Session) stopAtLimit(now Time) {
	s.limitTime = never
	for _, each := range s.leases.all() {
		if each.phase != running {
			continue
		}
		if now >= each.limitTime {
			each.limitTime = never
			s.stop(each, StopTimeout)
		}
		s.limitTime = min(s.limitTime, each.limitTime)
	}
}

func (s *Session) returnWaiting() {
	for _, each := range slices.Clone(s.leases.waiting) {
		s.end(each, returned(whyDraining))
	}
}

// putProgress puts into the log what may go now. At most one progress of a lease is unacknowledged: that bounds the log, however often
// the work reports.
func (s *Session) putProgress(now Time) {
	if now < s.progressDueTime {
		return
	}
	s.progressDueTime = never
	for _, each := range s.progressed {
		s.putProgressOf(each, now)
		if each.progress != nil && !each.progressInFlight {
			s.progressDueTime = min(s.progressDueTime, after(each.progressTime, progressInterval))
		}
	}
}

func (s *Session) putProgressOf(each *lease, now Time) {
	if each.progress == nil || each.progressInFlight || now < after(each.progressTime, progressInterval) {
		return
	}
	s.reports.add(each.key, &pb.Report{Event: &pb.Report_Progress{Progress: each.progress}})
	each.progress, each.progressInFlight, each.progressTime = nil, true, now
	delete(s.progressed, each.key)
}

func (s *Session) progressAcknowledged(each *lease, now Time) {
	each.progressInFlight = false
	if each.progress != nil {
		s.progressDueTime = min(s.progressDueTime, now)
	}
}
