package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// VMAgent is VictoriaMetrics' agent with stream aggregation, whose results go nowhere.
type VMAgent struct {
	*Process
	sink *http.Server
	done chan struct{} // closed when the sink has ended
}

// StartVMAgent starts the agent with a configuration of stream aggregation and waits until
// it is ready.
func (l *Lab) StartVMAgent(ctx context.Context, aggregation string) (*VMAgent, error) {
	dir, err := l.MakeDir("vmagent")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "aggregation.yml")
	if err := os.WriteFile(config, []byte(aggregation), 0o644); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &VMAgent{done: make(chan struct{}), sink: &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // whatever comes
			w.WriteHeader(http.StatusNoContent)
		}),
	}}
	go func() {
		defer close(v.done)
		_ = v.sink.Serve(ln) // until Close
	}()
	v.Process, err = startProcess(l.Dir, "vmagent", l.Tools.VMAgent, nil, func(address string) []string {
		return []string{
			"-httpListenAddr=" + address, "-loggerLevel=WARN", "-remoteWrite.url=http://" + ln.Addr().String() + "/api/v1/write",
			"-remoteWrite.tmpDataPath=" + filepath.Join(dir, "queue"), "-remoteWrite.streamAggr.config=" + config,
		}
	})
	if err == nil {
		if _, err = v.AwaitReady(ctx, "/health"); err == nil {
			return v, nil
		}
		v.Kill()
	}
	return nil, errors.Join(err, v.closeSink())
}

// WriteURL is where it takes remote write.
func (v *VMAgent) WriteURL() string { return v.URL("/api/v1/write") }

// End ends the agent and what it sends to.
func (v *VMAgent) End() error {
	v.Kill()
	return v.closeSink()
}

func (v *VMAgent) closeSink() error {
	err := v.sink.Close()
	<-v.done
	return err
}
