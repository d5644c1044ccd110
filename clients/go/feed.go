package client

import (
	"context"
	"iter"

	"google.golang.org/protobuf/proto"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// FollowEvents gives what the feed holds after a position, in order and without gaps, and then what is to come, over any number of broken
// streams: each goes on after the last message that was handed out. Keep Position of a message once its events are dealt with, to go on
// from there later.
//
// A message with Reset set has no events: the position that was asked for cannot be continued (trimmed, another epoch, ahead of the head),
// so what the reader knows must be read anew; the feed goes on from the message's Position. An error is the last thing that it gives.
//
// The request is as in the contract, but that an empty namespace in the filter is the client's. Without Follow it ends at the head.
func (c *Client) FollowEvents(ctx context.Context, request *pb.WatchEventsRequest) iter.Seq2[*pb.WatchEventsResponse, error] {
	return func(yield func(*pb.WatchEventsResponse, error) bool) {
		request := c.completed(request)
		open := func(ctx context.Context) (receiver[*pb.WatchEventsResponse], error) {
			return c.Events.WatchEvents(ctx, request)
		}
		stream := reopened(ctx, open)
		if !request.Follow {
			stream = reopenedUntilOK(ctx, open)
		}
		for message, err := range stream {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(message, nil) {
				return
			}
			if message.GetPosition() != "" {
				request.After = message.GetPosition()
			}
		}
	}
}

func (c *Client) completed(request *pb.WatchEventsRequest) *pb.WatchEventsRequest {
	request = proto.CloneOf(request)
	if request.Filter == nil {
		request.Filter = &pb.EventFilter{}
	}
	if request.Filter.Namespace == "" {
		request.Filter.Namespace = c.namespace
	}
	return request
}
