package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"missioncontrol.dev/client/agent"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

func work(input string) *agent.Work {
	return &agent.Work{Lease: &pb.Lease{Spec: &pb.TaskSpec{Payload: &pb.Payload{Data: []byte(input)}}}}
}

func TestTheTextIsDigestedInBytes(t *testing.T) {
	payload, err := digest(t.Context(), work(`{"text": "é"}`))
	if err != nil {
		t.Fatal(err)
	}
	var got output
	if err := json.Unmarshal(payload.GetData(), &got); err != nil {
		t.Fatal(err)
	}
	want := output{"4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c", 2, "go"}
	if got != want {
		t.Errorf("got %v", got)
	}
}

func TestInputThatCannotBeReadAndAskedForFailuresHaveTheirCodes(t *testing.T) {
	for input, code := range map[string]string{
		`[]`: "bad-input", `{"text": 7}`: "bad-input", `{}`: "bad-input", `{"text": "", "seconds": -1}`: "bad-input",
		`{"text": "", "fail": "no"}`: "asked-for",
	} {
		_, err := digest(t.Context(), work(input))
		var failure *agent.Failure
		if !errors.As(err, &failure) || failure.Code != code {
			t.Errorf("%s ended with %v", input, err)
		}
	}
}

func TestACancelStopsTheWorkAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := digest(ctx, work(`{"text": "", "seconds": 600}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
