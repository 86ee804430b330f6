package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"laminar/server/view"
)

// A simulation ends when its duration is over, even if nobody listens. It is a
// fault when nothing was acknowledged.
func TestSimulateWithoutReceiver(t *testing.T) {
	began := time.Now()
	code, stdout, stderr := invoke(t.Context(), "", "simulate", "--url", "http://127.0.0.1:1/api/v1/write", "--duration", "1s", "--log-level", "error", "--output", "json")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("a second of simulation took %s", took)
	}
	if code != exitFault || !strings.Contains(stderr, "Error: no sample was acknowledged, at last: ") || !strings.Contains(stderr, "connection refused") || !strings.Contains(stderr, "Try: laminar serve") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	var sent view.Simulated
	if err := json.Unmarshal([]byte(stdout), &sent); err != nil || sent.Samples != 0 || sent.Retries == 0 || !strings.Contains(sent.Error, "connection refused") {
		t.Errorf("it says %s (%v)", stdout, err)
	}
}

// The first samples go out at once, however long the interval is.
func TestSimulateSendsAtOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	began := time.Now()
	code, stdout, stderr := invoke(t.Context(), "", "simulate", "--url", server.URL, "--duration", "1ms", "--interval", "1h")
	if code != exitOK || strings.HasPrefix(stdout, "0 ") || !strings.Contains(stdout, "samples acknowledged, 0 requests sent again") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

// A cluster is sent as machines are; flags of the other profile are refused, because
// they would do nothing.
func TestSimulateProfiles(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	code, stdout, stderr := invoke(t.Context(), "", "simulate", "--profile", "kubernetes", "--nodes", "2", "--pods", "10", "--url", server.URL, "--duration", "1ms", "--output", "json")
	var sent view.Simulated
	if err := json.Unmarshal([]byte(stdout), &sent); code != exitOK || err != nil || sent.Samples < 1000 {
		t.Errorf("exit code %d: %s%s (%v)", code, stdout, stderr, err)
	}
	for _, args := range [][]string{
		{"--profile", "kubernetes", "--instances", "3"}, {"--pods", "3"}, {"--profile", "k8s"}, {"--profile", "kubernetes", "--nodes", "0"}, {"--interval", "x"},
	} {
		if code, _, stderr := invoke(t.Context(), "", append([]string{"simulate"}, args...)...); code != exitUsage || !strings.Contains(stderr, args[len(args)-2]+":") && !strings.Contains(stderr, strings.TrimPrefix(args[len(args)-2], "--")) {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}

// A receiver that lets nobody in runs: who simulates is told to log in, and not to start one.
func TestSimulateWithoutLogin(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		code, _, stderr := invoke(t.Context(), "", "simulate", "--url", server.URL, "--duration", "1ms", "--log-level", "error")
		server.Close()
		if login := strings.Contains(stderr, "USER:PASSWORD@"); code != exitFault || login != (status != http.StatusBadRequest) {
			t.Errorf("answered %d it ends with %d and says %s", status, code, stderr)
		}
	}
}
