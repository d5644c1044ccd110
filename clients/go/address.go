package client

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// DefaultPort is where coordinators listen unless told otherwise.
const DefaultPort = "7070"

// ParseAddresses splits addresses at commas and gives each a port, in order, each once.
func ParseAddresses(addresses string) ([]string, error) {
	var parsed []string
	for part := range strings.SplitSeq(addresses, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		address, err := withPort(part)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(parsed, address) {
			parsed = append(parsed, address)
		}
	}
	if len(parsed) == 0 {
		return nil, fmt.Errorf(`no address in %q; give "host:port", or several separated by commas`, addresses)
	}
	return parsed, nil
}

func withPort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		// Without a port, or an IPv6 address without brackets.
		host, port = strings.Trim(address, "[]"), DefaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("%q is no address: %w", address, err)
		}
	}
	if number, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || number == 0 {
		return "", fmt.Errorf(`%q is no address; give "host:port" with a port from 1 to 65535`, address)
	}
	return net.JoinHostPort(host, port), nil
}
