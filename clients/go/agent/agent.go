// Package agent runs work for Mission Control: it holds one stream to a coordinator, takes leases on it, runs their handlers, and reports.
// The rules of the conversation are in internal/session; this package gives them a network, a clock and goroutines.
package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	client "missioncontrol.dev/client"
	"missioncontrol.dev/client/internal/session"
	pb "missioncontrol.dev/client/missioncontrolv1"
)

const (
	// ProtocolVersion is that of agent_service.proto.
	ProtocolVersion = 1
	// DefaultDrainTime fits the 30 s that many supervisors grant between SIGTERM and SIGKILL only with a little more from them.
	DefaultDrainTime = 30 * time.Second
	// After the drain time work is told to stop; handlers that do not within this are left behind.
	leaveGrace = 8 * time.Second
	sdk        = "missioncontrol-go 1"
)

// Config says what an agent is. Addresses, ID and Handlers are needed.
type Config struct {
	// Addresses are the coordinators', "host:port" each, separated by commas.
	Addresses string
	// Namespace is the default one if it is empty.
	Namespace string
	// ID is unique in the namespace and the same over restarts of the process. Two processes with one id: the newer ends the older.
	ID string
	// Handlers run the work, by kind of task.
	Handlers map[string]Handler
	// Slots is how many tasks run at once; 0 means 1.
	Slots int
	// QueueLimit is how many leases it holds beyond its slots, not started.
	QueueLimit int
	// Capabilities, Labels and Resources are what tasks may require of it.
	Capabilities []string
	Labels       map[string]string
	Resources    map[string]float64
	// Queues are those that it takes work from; none means all.
	Queues []string
	// DrainTime is for how long work may go on after Run's context has ended: 0 means DefaultDrainTime, less means not at all.
	DrainTime time.Duration
	// Logger is the default one if it is nil.
	Logger *slog.Logger
	// DialOptions are added to those of each connection.
	DialOptions []grpc.DialOption
}

// Agent is one incarnation: one start of an agent's process.
type Agent struct {
	config    Config
	hello     *pb.Hello
	addresses *addresses
	leaving   chan time.Duration
	ended     chan struct{}
}

// New checks the configuration and makes an agent, which Run connects.
func New(config Config) (*Agent, error) {
	if config.ID == "" || len(config.Handlers) == 0 {
		return nil, errors.New("an agent needs an id and a handler")
	}
	config.Slots = max(config.Slots, 1)
	config.DrainTime = max(cmp.Or(config.DrainTime, DefaultDrainTime), 0)
	config.Logger = cmp.Or(config.Logger, slog.Default()).With("agent", config.ID)
	given, err := client.ParseAddresses(config.Addresses)
	if err != nil {
		return nil, err
	}
	hello := helloOf(config)
	// Text that is no UTF-8 can never be sent, so it is refused here and not over and over on the stream.
	if _, err := proto.Marshal(hello); err != nil {
		return nil, err
	}
	return &Agent{
		config: config, hello: hello, addresses: newAddresses(given),
		leaving: make(chan time.Duration), ended: make(chan struct{}),
	}, nil
}

func helloOf(config Config) *pb.Hello {
	host, _ := os.Hostname()
	return &pb.Hello{
		ProtocolVersionMin: ProtocolVersion,
		ProtocolVersionMax: ProtocolVersion,
		Namespace:          config.Namespace,
		AgentId:            config.ID,
		Incarnation:        uuid.NewString(),
		Labels:             config.Labels,
		Capabilities:       config.Capabilities,
		Kinds:              slices.Sorted(maps.Keys(config.Handlers)),
		Queues:             config.Queues,
		Slots:              uint32(config.Slots),
		QueueLimit:         uint32(max(config.QueueLimit, 0)),
		Resources:          config.Resources,
		Sdk:                sdk,
		Host:               host,
	}
}

// Run keeps the agent connected and runs its work, until the context ends: then it drains and leaves, and returns nil. It returns a
// *SupersededError or a *RefusedError if the agent must not go on. It may be called once.
func (a *Agent) Run(ctx context.Context) error {
	defer close(a.ended)
	stopWaiting := context.AfterFunc(ctx, func() { a.Leave(a.config.DrainTime) })
	defer stopWaiting()
	return newLoop(a, session.New(a.hello)).run()
}

// Leave starts the agent's drain: it takes nothing new, returns what has not started, lets what has started go on for so long, and leaves
// with a goodbye. A further call can shorten the time. It does nothing once Run has returned.
func (a *Agent) Leave(drainTime time.Duration) {
	select {
	case a.leaving <- drainTime:
	case <-a.ended:
	}
}
