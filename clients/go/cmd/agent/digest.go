package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	client "missioncontrol.dev/client"
	"missioncontrol.dev/client/agent"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

// Work with a duration reports its progress so often.
const steps = 5

type input struct {
	Text    *string `json:"text"`
	Seconds float64 `json:"seconds"`
	Fail    string  `json:"fail"`
}

type output struct {
	SHA256   string `json:"sha256"`
	Length   int    `json:"length"`
	Language string `json:"language"`
}

// digest works for as long as it is asked to, and digests the text.
func digest(ctx context.Context, work *agent.Work) (*pb.Payload, error) {
	asked, err := read(work)
	if err != nil {
		return nil, err
	}
	if err := linger(ctx, asked.Seconds, work); err != nil {
		return nil, err
	}
	if asked.Fail != "" {
		return nil, &agent.Failure{Message: asked.Fail, Code: "asked-for"}
	}
	sum := sha256.Sum256([]byte(*asked.Text))
	return client.JSON(output{hex.EncodeToString(sum[:]), len(*asked.Text), "go"})
}

func read(work *agent.Work) (asked input, err error) {
	err = work.Decode(&asked)
	if err == nil && asked.Text == nil {
		err = errors.New("the input has no text")
	}
	if err == nil && (asked.Seconds < 0 || asked.Seconds > 1e9) {
		err = errors.New("seconds is out of range")
	}
	if err != nil {
		return asked, &agent.Failure{Message: err.Error(), Code: "bad-input", Permanent: true}
	}
	return asked, nil
}

// linger works in steps, and stops at once when it is told to.
func linger(ctx context.Context, seconds float64, work *agent.Work) error {
	if seconds == 0 {
		return nil
	}
	step := time.Duration(seconds / steps * float64(time.Second))
	for done := 1; done <= steps; done++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(step):
			work.Progress(float64(done)/steps, "")
		}
	}
	return nil
}
