package client

import (
	"encoding/json"
	"fmt"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// JSON makes a payload of a value.
func JSON(value any) (*pb.Payload, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("a %T cannot become a payload: %w", value, err)
	}
	return &pb.Payload{Data: data, ContentType: "application/json"}, nil
}

// FromJSON reads a payload into a value.
func FromJSON(payload *pb.Payload, into any) error {
	if err := json.Unmarshal(payload.GetData(), into); err != nil {
		return fmt.Errorf("the payload (%d bytes) is no %T: %w", len(payload.GetData()), into, err)
	}
	return nil
}
