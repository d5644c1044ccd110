package client

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

const (
	// CallTimeout is the deadline of a unary call, with all its retries, whose context has none: long enough for a coordinator's restart,
	// short enough for a person.
	CallTimeout = 30 * time.Second
	// Coordinators answer pings that come more often than every 10 s with ENHANCE_YOUR_CALM. With the timeout it is 20 s until calls
	// and streams leave a host that fell silent.
	keepaliveTime    = 15 * time.Second
	keepaliveTimeout = 5 * time.Second
	// A coordinator restarts in about a second; a long backoff would be most of the outage.
	dialBackoff    = 200 * time.Millisecond
	dialBackoffMax = 2 * time.Second
	dialTimeout    = 5 * time.Second
)

// Every write carries a request id, so all of these may be repeated. They wait for a connection until their deadline: a coordinator that
// restarts is no error. The agents' stream is left out: an agent must see it break, and choose another address itself.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [
			{"service": "missioncontrol.v1.TaskService"},
			{"service": "missioncontrol.v1.EventService"},
			{"service": "missioncontrol.v1.QueueService"},
			{"service": "missioncontrol.v1.ScheduleService"},
			{"service": "missioncontrol.v1.RoutingService"},
			{"service": "missioncontrol.v1.AgentService", "method": "ListAgents"},
			{"service": "missioncontrol.v1.AgentService", "method": "GetAgent"},
			{"service": "missioncontrol.v1.AgentService", "method": "CordonAgent"},
			{"service": "missioncontrol.v1.AgentService", "method": "UncordonAgent"},
			{"service": "missioncontrol.v1.AgentService", "method": "DrainAgent"},
			{"service": "missioncontrol.v1.AgentService", "method": "ChangeAgents"}
		],
		"waitForReady": true,
		"retryPolicy": {
			"maxAttempts": 5,
			"initialBackoff": "0.1s",
			"maxBackoff": "2s",
			"backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

// dial makes one channel over all addresses. A single one is resolved by gRPC's DNS resolver; of several each is dialled as it stands.
func dial(addresses []string, options []grpc.DialOption) (*grpc.ClientConn, error) {
	all := append(TransportOptions(),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithUnaryInterceptor(withDeadline),
	)
	target := "dns:///" + addresses[0]
	if len(addresses) > 1 {
		static := staticResolver(addresses)
		all = append(all, grpc.WithResolvers(static))
		target = static.Scheme() + ":///" + strings.Join(addresses, ",")
	}
	return grpc.NewClient(target, append(all, options...)...)
}

// TransportOptions are those of every connection: no TLS, keepalive, and a short backoff.
func TransportOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: dialBackoff, Multiplier: 2, Jitter: 0.2, MaxDelay: dialBackoffMax},
			MinConnectTimeout: dialTimeout,
		}),
	}
}

func staticResolver(addresses []string) *manual.Resolver {
	static := manual.NewBuilderWithScheme("missioncontrol")
	var state resolver.State
	for _, address := range addresses {
		endpoint := resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}}
		state.Endpoints = append(state.Endpoints, endpoint)
	}
	static.InitialState(state)
	return static
}

// withDeadline gives a call without a deadline one, and turns its error into an *Error.
func withDeadline(
	ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, CallTimeout)
		defer cancel()
	}
	return ErrorOf(invoke(ctx, method, request, reply, connection, options...))
}
