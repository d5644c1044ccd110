// Package settings reads the environment of the two example programs, as clients/README.md names it.
package settings

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Kind is the kind of task that the examples submit and run.
const Kind = "example.digest"

// Text is a variable's value, or its default where it is unset or empty.
func Text(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// Address is where the coordinators are.
func Address() string { return Text("MISSIONCONTROL_ADDRESS", "127.0.0.1:7070") }

// Namespace is the namespace of all that the program does.
func Namespace() string { return Text("MISSIONCONTROL_NAMESPACE", "default") }

// List splits a variable at commas.
func List(name string) []string {
	var found []string
	for part := range strings.SplitSeq(os.Getenv(name), ",") {
		if part = strings.TrimSpace(part); part != "" {
			found = append(found, part)
		}
	}
	return found
}

// Count reads a positive number.
func Count(name string, otherwise int) (int, error) {
	value, err := strconv.Atoi(Text(name, strconv.Itoa(otherwise)))
	if err != nil || value < 1 {
		return 0, fmt.Errorf("%s must be a number from 1 up", name)
	}
	return value, nil
}

// Seconds reads a duration that is given in seconds.
func Seconds(name string, otherwise time.Duration) (time.Duration, error) {
	value, err := strconv.ParseFloat(Text(name, fmt.Sprint(otherwise.Seconds())), 64)
	if err != nil || !(value >= 0 && value < 1e9) {
		return 0, fmt.Errorf("%s must be a number of seconds", name)
	}
	return time.Duration(value * float64(time.Second)), nil
}
