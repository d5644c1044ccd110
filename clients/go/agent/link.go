package agent

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	client "missioncontrol.dev/client"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

// A name may stand for several coordinators, which resolvers list in one order for everybody: without the shuffle all agents take the same.
const linkConfig = `{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}]}`

// link is one stream on a connection of its own, with a goroutine that reads and one that writes. A peer that does not read blocks the
// writer, and nothing else.
type link struct {
	address string
	cancel  context.CancelFunc
	// outgoing takes one message at a time; written says that it is out of hand, and the next one may come.
	outgoing chan *pb.AgentMessage
	written  chan struct{}
	// incoming gives the messages, and at last the error that the stream ended with.
	incoming chan arrival
	// sending: a message was given and is not written yet. It belongs to the link's owner.
	sending bool
}

type arrival struct {
	message *pb.CoordinatorMessage
	// err is io.EOF if the stream ended with OK.
	err error
}

// openLink dials and sends hello, in the background.
func openLink(address string, hello *pb.AgentMessage, options []grpc.DialOption) *link {
	ctx, cancel := context.WithCancel(context.Background())
	opened := &link{
		address: address, cancel: cancel, sending: true,
		outgoing: make(chan *pb.AgentMessage, 1), written: make(chan struct{}, 1), incoming: make(chan arrival),
	}
	opened.outgoing <- hello
	go opened.run(ctx, options)
	return opened
}

// send hands a message to the writer, which must have written the one before.
func (l *link) send(message *pb.AgentMessage) {
	l.sending = true
	l.outgoing <- message
}

func (l *link) run(ctx context.Context, options []grpc.DialOption) {
	err := l.converse(ctx, options)
	if !errors.Is(err, io.EOF) {
		err = client.ErrorOf(err)
	}
	l.deliver(ctx, arrival{err: err})
}

// converse returns the error that the stream ended with, never nil.
func (l *link) converse(ctx context.Context, options []grpc.DialOption) error {
	all := append(client.TransportOptions(), grpc.WithDefaultServiceConfig(linkConfig))
	connection, err := grpc.NewClient("dns:///"+l.address, append(all, options...)...)
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := pb.NewAgentServiceClient(connection).Connect(ctx)
	if err != nil {
		return err
	}
	go l.write(stream)
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		l.deliver(ctx, arrival{message: message})
	}
}

// write ends with the stream: its error is the reader's to tell.
func (l *link) write(stream pb.AgentService_ConnectClient) {
	for {
		select {
		case <-stream.Context().Done():
			return
		case message := <-l.outgoing:
			if stream.Send(message) != nil {
				return
			}
			if message.GetGoodbye() != nil && stream.CloseSend() != nil {
				return
			}
			l.written <- struct{}{}
		}
	}
}

func (l *link) deliver(ctx context.Context, what arrival) {
	select {
	case l.incoming <- what:
	case <-ctx.Done():
	}
}
