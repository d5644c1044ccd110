// Command agent runs tasks of the kind "example.digest", as clients/README.md describes them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"missioncontrol.dev/client/agent"
	"missioncontrol.dev/client/internal/settings"
)

const (
	misconfigured = 1
	superseded    = 70
	refused       = 78
)

func main() {
	err := run()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	var newer *agent.SupersededError
	var refusal *agent.RefusedError
	switch {
	case errors.As(err, &newer):
		os.Exit(superseded)
	case errors.As(err, &refusal):
		os.Exit(refused)
	}
	os.Exit(misconfigured)
}

// run runs the agent until a signal has drained it. A second signal ends the drain at once.
func run() error {
	config, err := configured()
	if err != nil {
		return err
	}
	runner, err := agent.New(config)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-signals
		cancel()
		<-signals
		runner.Leave(0)
	}()
	return runner.Run(ctx)
}

func configured() (config agent.Config, err error) {
	host, err := os.Hostname()
	if err != nil {
		return config, err
	}
	config = agent.Config{
		Addresses:    settings.Address(),
		Namespace:    settings.Namespace(),
		ID:           settings.Text("MISSIONCONTROL_AGENT_ID", host),
		Capabilities: settings.List("MISSIONCONTROL_AGENT_CAPABILITIES"),
		Handlers:     map[string]agent.Handler{settings.Kind: digest},
	}
	if config.Slots, err = settings.Count("MISSIONCONTROL_AGENT_SLOTS", 4); err != nil {
		return config, err
	}
	config.DrainTime, err = settings.Seconds("MISSIONCONTROL_AGENT_DRAIN_SECONDS", agent.DefaultDrainTime)
	if config.DrainTime == 0 {
		config.DrainTime = -1 // not at all; 0 is the default
	}
	return config, err
}
