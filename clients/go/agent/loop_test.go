package agent

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// coordinator is a server on loopback that does with each stream what its turn says, and with all later ones what the last turn says.
type coordinator struct {
	pb.UnimplementedAgentServiceServer
	turns   []turn
	streams chan int
	count   int
}

// turn has one stream, from after its Hello to its end.
type turn func(pb.AgentService_ConnectServer) error

func (c *coordinator) Connect(stream pb.AgentService_ConnectServer) error {
	number := c.count
	c.count++
	if _, err := stream.Recv(); err != nil {
		return err
	}
	c.streams <- number
	return c.turns[min(number, len(c.turns)-1)](stream)
}

// welcome answers Hello, with an echo timeout so short that a test can wait for it.
func welcome(stream pb.AgentService_ConnectServer) error {
	return stream.Send(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_Welcome{Welcome: &pb.Welcome{
		HeartbeatInterval: durationpb.New(50 * time.Millisecond),
		EchoTimeout:       durationpb.New(200 * time.Millisecond),
	}}})
}

// echoing is a coordinator as it should be; it ends with the agent's goodbye.
func echoing(stream pb.AgentService_ConnectServer) error {
	if err := welcome(stream); err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err != nil || message.GetGoodbye() != nil {
			return err
		}
		if beat := message.GetHeartbeat(); beat != nil {
			echo := &pb.HeartbeatEcho{Number: beat.GetNumber(), HeldVersion: beat.GetHeldVersion()}
			if err := stream.Send(&pb.CoordinatorMessage{Content: &pb.CoordinatorMessage_HeartbeatEcho{HeartbeatEcho: echo}}); err != nil {
				return err
			}
		}
	}
}

// silent welcomes and says nothing any more, nor does it read.
func silent(stream pb.AgentService_ConnectServer) error {
	if err := welcome(stream); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func refusing(code codes.Code, reason string, first func(pb.AgentService_ConnectServer) error) turn {
	return func(stream pb.AgentService_ConnectServer) error {
		if err := first(stream); err != nil {
			return err
		}
		detailed, err := status.New(code, "no").WithDetails(&errdetails.ErrorInfo{Reason: reason})
		if err != nil {
			return err
		}
		return detailed.Err()
	}
}

func unwelcome(pb.AgentService_ConnectServer) error { return nil }

// run starts a coordinator and an agent that knows its address, and returns the numbers of the streams and the agent's end.
func run(ctx context.Context, t *testing.T, turns ...turn) (streams chan int, ended chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := &coordinator{turns: turns, streams: make(chan int, 100)}
	server := grpc.NewServer()
	pb.RegisterAgentServiceServer(server, service)
	go server.Serve(listener) //nolint:errcheck // its end is the test's
	t.Cleanup(server.Stop)
	runner, err := New(Config{
		Addresses: listener.Addr().String(), ID: "a",
		Handlers: map[string]Handler{"k": func(context.Context, *Work) (*pb.Payload, error) { return nil, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended = make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	return service.streams, ended
}

func within[T any](t *testing.T, happens <-chan T) (what T) {
	t.Helper()
	select {
	case what = <-happens:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not happen")
	}
	return what
}

func TestAnyEndOfTheStreamButItsOwnGoodbyeMakesTheAgentConnectAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	streams, ended := run(ctx, t,
		silent,  // stuck: nothing comes any more, and nothing says so
		welcome, // OK without a goodbye
		refusing(codes.Unavailable, "", welcome),
		refusing(codes.Internal, "", welcome),
		refusing(codes.Canceled, "", unwelcome),
		refusing(codes.Aborted, "SESSION_SUPERSEDED", welcome),
		refusing(codes.FailedPrecondition, "", welcome), // after Welcome it says nothing of the agent
		echoing,
	)
	for want := range 8 {
		if got := within(t, streams); got != want {
			t.Fatalf("stream %d came as number %d", want, got)
		}
	}
	cancel()
	if err := within(t, ended); err != nil {
		t.Fatalf("the agent ended with %v", err)
	}
}

func TestARefusedHelloIsTheEnd(t *testing.T) {
	for _, code := range []codes.Code{
		codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented,
	} {
		_, ended := run(t.Context(), t, refusing(code, "", unwelcome))
		var refused *RefusedError
		if err := within(t, ended); !errors.As(err, &refused) {
			t.Errorf("%v ended the agent with %v", code, err)
		}
	}
}

func TestASupersededIncarnationIsTheEndBeforeAndAfterWelcome(t *testing.T) {
	for _, first := range []turn{unwelcome, welcome} {
		_, ended := run(t.Context(), t, refusing(codes.FailedPrecondition, incarnationSuperseded, first))
		var superseded *SupersededError
		if err := within(t, ended); !errors.As(err, &superseded) {
			t.Errorf("the agent ended with %v", err)
		}
	}
}

func TestAnAgentThatNeverConnectedLeavesWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	runner, err := New(Config{Addresses: "127.0.0.1:1", ID: "a", Handlers: map[string]Handler{"k": nil}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := runner.Run(ctx); err != nil {
		t.Fatal(err)
	}
	runner.Leave(0) // says nothing to nobody, and does not hang
}

func TestWaitsBetweenStreamsGrowAndStayRandom(t *testing.T) {
	for attempts, most := range map[int]time.Duration{1: time.Second, 2: 400 * time.Millisecond, 30: 2 * time.Second} {
		for range 100 {
			if got := jitter(attempts, time.Second); got >= most {
				t.Fatalf("waits %v before attempt %d", got, attempts)
			}
		}
	}
}
