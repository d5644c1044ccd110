package client

import (
	"slices"
	"testing"
)

func TestAddressesAreSplitAndGetAPort(t *testing.T) {
	for given, want := range map[string][]string{
		"127.0.0.1:7070":               {"127.0.0.1:7070"},
		"coordinator":                  {"coordinator:7070"},
		" a:1 , b:2,a:1,":              {"a:1", "b:2"},
		"::1":                          {"[::1]:7070"},
		"[::1]:9":                      {"[::1]:9"},
		"[::1]":                        {"[::1]:7070"},
		"coordinator-1,coordinator-2:": nil,
	} {
		got, err := ParseAddresses(given)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q became %q, %v", given, got, err)
		}
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	for _, given := range []string{"", " , ", "host:0", "host:70000", "host:port", ":7070", "a:b:c"} {
		if got, err := ParseAddresses(given); err == nil {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestOneOrSeveralAddressesMakeAClient(t *testing.T) {
	for _, addresses := range []string{"localhost:7070", "127.0.0.1:7070,127.0.0.1:7071"} {
		connected, err := Connect(addresses, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := connected.Close(); err != nil {
			t.Error(err)
		}
	}
}
