package agent

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	client "missioncontrol.dev/client"
)

const incarnationSuperseded = "INCARNATION_SUPERSEDED"

// SupersededError says that a newer process has this agent's id. This one must end and not come back: two would fight for ever.
type SupersededError struct{ AgentID string }

func (e *SupersededError) Error() string {
	return fmt.Sprintf("a newer process has the agent id %q, so this one ends: give each process an id of its own", e.AgentID)
}

// RefusedError says that the coordinator does not take this agent as it is: a wrong id, label or kind, or a version too far apart.
type RefusedError struct {
	AgentID string
	Err     error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the coordinator does not take the agent %q: %v", e.AgentID, e.Err)
}

// Unwrap gives the call's error.
func (e *RefusedError) Unwrap() error { return e.Err }

// verdict is why the agent must end when its stream ended so; nil if it is to connect again. After Welcome only a superseded incarnation is
// fatal: everything else a later stream, or another coordinator, may mend.
func verdict(err error, agentID string, welcomed bool) error {
	var refusal *client.Error
	if !errors.As(err, &refusal) {
		return nil
	}
	if refusal.Reason == incarnationSuperseded {
		return &SupersededError{agentID}
	}
	if welcomed {
		return nil
	}
	switch refusal.Code {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return &RefusedError{agentID, err}
	}
	return nil
}
