package session

// receipts knows which batches of leases arrived on this stream and were not confirmed yet. A receipt waits for a moment, so that reports
// that come anyway can say it.
type receipts struct {
	// dueTime is when it has to be said by itself.
	dueTime            Time
	arrived, confirmed uint64
}

// arrive says that the batch with this number is here, and so are all before it.
func (r *receipts) arrive(batch uint64, now Time) {
	r.arrived = batch
	r.dueTime = min(r.dueTime, after(now, receiptPause))
}

// take is the newest batch, for the message that confirms it; 0 if there is nothing new to say.
func (r *receipts) take() uint64 {
	r.dueTime = never
	if r.confirmed == r.arrived {
		return 0
	}
	r.confirmed = r.arrived
	return r.confirmed
}
