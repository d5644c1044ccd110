package session

import (
	"slices"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Why a lease is given back or refused before its work has started, as people read it.
const (
	whyRecalled = "recalled"
	whyDraining = "the agent is draining"
	whyStuck    = "the agent's slots are held by work that does not stop"
	whyFull     = "all slots and places in the queue are taken"
)

// Receive takes in a message of the current stream. Members that are not known are ignored, as the contract says.
func (s *Session) Receive(message *pb.CoordinatorMessage, now Time) {
	if now >= s.liveness.silenceTime() {
		// The stream counts as broken, and Tick says so. What comes all the same may have waited in the socket for as long as this
		// process was stopped: a lease of it is not new, an echo no proof that anybody is there.
		return
	}
	if welcome := message.GetWelcome(); welcome != nil && !s.Connected() {
		s.onWelcome(welcome, now)
		return
	}
	if !s.Connected() {
		return
	}
	switch content := message.GetContent().(type) {
	case *pb.CoordinatorMessage_HeartbeatEcho:
		s.liveness.echo(content.HeartbeatEcho, now)
	case *pb.CoordinatorMessage_Leases:
		s.onLeases(content.Leases, now)
	case *pb.CoordinatorMessage_ReportAck:
		s.onAck(content.ReportAck, now)
	case *pb.CoordinatorMessage_Orders:
		s.onOrders(content.Orders, now)
	case *pb.CoordinatorMessage_Moving:
		moving := content.Moving
		s.reconnect(Reconnect{Why: "the coordinator said: " + moving.GetMessage(), Delay: moving.GetDelay().AsDuration(), Elsewhere: true})
	}
}

// onWelcome drops what Welcome does not say to keep, named or not.
func (s *Session) onWelcome(welcome *pb.Welcome, now Time) {
	s.liveness.welcome(welcome, now)
	s.drain.noticeDue = s.drain.own
	for _, key := range s.helloHeld {
		kept := func(each *pb.LeaseReference) bool { return keyOf(each) == key }
		if !slices.ContainsFunc(welcome.GetKeep(), kept) {
			s.drop(key, now)
		}
	}
	s.onOrders(welcome.GetOrders(), now)
}

func (s *Session) onLeases(batch *pb.LeaseBatch, now Time) {
	s.receipts.arrive(batch.GetNumber(), now)
	for _, message := range batch.GetLeases() {
		if s.leases.byKey[keyOf(message)] != nil {
			continue
		}
		full, ttl := s.leases.full(), message.GetTtl().AsDuration()
		trusted := max(s.liveness.echoed.sentTime, after(now, -unconfirmed(ttl)))
		added := s.leases.add(message, ttl, trusted)
		s.selfStopTime = min(s.selfStopTime, after(trusted, selfStop(ttl)))
		s.admit(added, full)
	}
}

func (s *Session) admit(each *lease, full bool) {
	switch kind := each.message.GetSpec().GetKind(); {
	case s.drain.closed():
		s.end(each, returned(whyDraining))
	case !s.kinds[kind]:
		s.end(each, rejected("no handler for the kind "+kind))
	case s.lingering.toldTasks()[each.key.TaskID]:
		s.end(each, rejected(whyStuck))
	case full:
		s.end(each, rejected(whyFull))
	default:
		s.leases.wait(each)
	}
}

func (s *Session) onAck(ack *pb.ReportAck, now Time) {
	refusals := map[uint64]*pb.Refusal{}
	for _, refusal := range ack.GetRefusals() {
		refusals[refusal.GetNumber()] = refusal
	}
	for _, entry := range s.reports.acknowledged(ack.GetNumber()) {
		if refusal := refusals[entry.report.GetNumber()]; refusal != nil {
			s.onRefused(entry, refusal, now)
		} else {
			s.onAccepted(entry, now)
		}
	}
}

func (s *Session) onAccepted(entry *reportEntry, now Time) {
	each := s.leases.byKey[entry.key]
	switch {
	case each == nil:
	case entry.isOutcome():
		s.leases.forget(each)
	case entry.report.GetProgress() != nil:
		s.progressAcknowledged(each, now)
	}
}

func (s *Session) onRefused(entry *reportEntry, refusal *pb.Refusal, now Time) {
	each := s.leases.byKey[entry.key]
	switch {
	case each == nil:
	case refusal.GetReason() != pb.RefusalReason_REFUSAL_REASON_INVALID:
		s.drop(entry.key, now)
	case !entry.isOutcome():
		s.onAccepted(entry, now)
	case each.refused >= 2:
		s.drop(entry.key, now)
	default:
		each.refused++
		s.reports.add(entry.key, replacement(each.refused, refusal.GetMessage()))
	}
}

func (s *Session) onOrders(orders *pb.Orders, now Time) {
	for _, each := range orders.GetDrop() {
		s.drop(keyOf(each), now)
	}
	for _, each := range orders.GetCancel() {
		if found := s.leases.byKey[keyOf(each)]; found != nil {
			s.stop(found, StopCancel)
		}
	}
	for _, each := range orders.GetRecall() {
		if found := s.leases.byKey[keyOf(each)]; found != nil && found.phase == waiting {
			s.end(found, returned(whyRecalled))
		}
	}
	if orders.GetResume() {
		s.drain.resume()
	} else if orders.GetDrain() != nil {
		s.onDrain(orders.GetDrain(), now)
	}
}

func (s *Session) onDrain(order *pb.DrainOrder, now Time) {
	limit := never
	if order.GetTimeLimit() != nil {
		limit = order.GetTimeLimit().AsDuration()
	}
	if order.GetMode() == pb.DrainMode_DRAIN_MODE_RETURN {
		limit = 0
	}
	s.drain.order(now, limit)
	s.returnWaiting()
	s.Tick(now)
}
