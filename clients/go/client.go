// Package client talks to Mission Control: it submits tasks, waits for them, and follows the activity feed. Agents are in the package
// agent below it.
//
// A Client gives every unary call a deadline, repeats calls that are safe to repeat (all of them are: each write carries a request id),
// and turns what a service refuses into an *Error. The generated stubs are its fields, for everything that has no method here.
package client

import (
	"google.golang.org/grpc"

	pb "missioncontrol.dev/client/missioncontrolv1"
)

// DefaultNamespace is used where none is named.
const DefaultNamespace = "default"

// Client is a connection to one or more coordinators. It is safe for concurrent use; Close it when it is not needed any more.
type Client struct {
	// Tasks, and the others, are the generated stubs on this connection, with its deadlines, retries and errors.
	Tasks     pb.TaskServiceClient
	Agents    pb.AgentServiceClient
	Events    pb.EventServiceClient
	Queues    pb.QueueServiceClient
	Schedules pb.ScheduleServiceClient
	Routing   pb.RoutingServiceClient

	namespace  string
	connection *grpc.ClientConn
}

// Connect makes a client of coordinators' addresses, "host:port" each, separated by commas; without a port it is 7070. It does not wait
// for a connection: the first call does. An empty namespace is the default one.
func Connect(addresses, namespace string, options ...grpc.DialOption) (*Client, error) {
	parsed, err := ParseAddresses(addresses)
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		namespace = DefaultNamespace
	}
	connection, err := dial(parsed, options)
	if err != nil {
		return nil, err
	}
	return newClient(connection, namespace), nil
}

func newClient(connection *grpc.ClientConn, namespace string) *Client {
	return &Client{
		Tasks:      pb.NewTaskServiceClient(connection),
		Agents:     pb.NewAgentServiceClient(connection),
		Events:     pb.NewEventServiceClient(connection),
		Queues:     pb.NewQueueServiceClient(connection),
		Schedules:  pb.NewScheduleServiceClient(connection),
		Routing:    pb.NewRoutingServiceClient(connection),
		namespace:  namespace,
		connection: connection,
	}
}

// Close ends the connection and every call on it.
func (c *Client) Close() error {
	return c.connection.Close()
}
