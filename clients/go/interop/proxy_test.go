package interop

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between a client and the fleet, and cuts connections when it is told to.
type proxy struct {
	listener net.Listener
	mutex    sync.Mutex
	open     []net.Conn
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := &proxy{listener: listener}
	go started.accept()
	t.Cleanup(func() {
		listener.Close()
		started.cut()
	})
	return started
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", address())
		if err != nil {
			near.Close()
			continue
		}
		p.mutex.Lock()
		p.open = append(p.open, near, far)
		p.mutex.Unlock()
		go forward(near, far)
		go forward(far, near)
	}
}

func forward(from, to net.Conn) {
	_, _ = io.Copy(to, from) // a cut is what this is for
	from.Close()
	to.Close()
}

func (p *proxy) cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, each := range p.open {
		each.Close()
	}
	p.open = nil
}
