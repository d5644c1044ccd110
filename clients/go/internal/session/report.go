package session

import (
	"google.golang.org/protobuf/proto"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// reportLog keeps the reports that no coordinator has acknowledged yet, in the order of their numbers: first those sent on this stream, then
// those still to be sent. A start that was not sent before the work has succeeded or failed need not be said: the outcome says it, too.
type reportLog struct {
	lastNumber          uint64
	unacknowledgedBytes int
	sent, unsent        []*reportEntry
	// starts are unsent, and the last word on their lease.
	starts map[Key]*reportEntry
}

type reportEntry struct {
	report *pb.Report
	key    Key
	size   int
}

// isOutcome tells whether it is the last word on its lease.
func (e *reportEntry) isOutcome() bool {
	switch e.report.GetEvent().(type) {
	case *pb.Report_Started, *pb.Report_Progress, *pb.Report_Checkpoint:
		return false
	}
	return true
}

// add appends a report with the next number; an outcome takes the place of its lease's start, if that is unsent.
func (l *reportLog) add(key Key, report *pb.Report) {
	start := l.starts[key]
	delete(l.starts, key)
	if start != nil && tellsTheStart(report) {
		start.report.Event = report.Event
		l.measure(start)
		return
	}
	l.lastNumber++
	report.Number, report.TaskId, report.Token = l.lastNumber, key.TaskID, key.Token
	entry := &reportEntry{report: report, key: key}
	l.measure(entry)
	l.unsent = append(l.unsent, entry)
	if report.GetStarted() != nil {
		l.starts[key] = entry
	}
}

func tellsTheStart(report *pb.Report) bool {
	return report.GetSucceeded() != nil || report.GetFailed() != nil
}

func (l *reportLog) measure(entry *reportEntry) {
	size := proto.Size(entry.report)
	l.unacknowledgedBytes += size - entry.size
	entry.size = size
}

// rewind prepares a new stream: what is not acknowledged is to be sent again, in order, with the same numbers.
func (l *reportLog) rewind() {
	l.unsent = append(l.sent, l.unsent...)
	l.sent = nil
}

// nextBatch is the next reports to send, within the bounds of a message; a report that is larger than that goes alone.
func (l *reportLog) nextBatch() *pb.ReportBatch {
	batch, size := &pb.ReportBatch{}, 0
	for len(l.unsent) > 0 && len(batch.Reports) < batchItemsMax {
		entry := l.unsent[0]
		size += entry.size
		if len(batch.Reports) > 0 && size > batchBytesMax {
			break
		}
		delete(l.starts, entry.key)
		l.sent, l.unsent = append(l.sent, entry), l.unsent[1:]
		batch.Reports = append(batch.Reports, entry.report)
	}
	return batch
}

// acknowledged takes off, and returns, every report up to this number. One that was not sent on this stream counts, too: an earlier
// stream's acknowledgement may have been lost, and the coordinator tells how far it is.
func (l *reportLog) acknowledged(number uint64) []*reportEntry {
	var done []*reportEntry
	for _, queue := range []*[]*reportEntry{&l.sent, &l.unsent} {
		for len(*queue) > 0 && (*queue)[0].report.GetNumber() <= number {
			entry := (*queue)[0]
			*queue = (*queue)[1:]
			l.unacknowledgedBytes -= entry.size
			if l.starts[entry.key] == entry {
				delete(l.starts, entry.key)
			}
			done = append(done, entry)
		}
	}
	return done
}
