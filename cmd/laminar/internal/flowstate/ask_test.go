package flowstate

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"laminar/server/view"
)

// TestUnkept: who does not keep a flow says whom to ask, by the scheme that it was asked by.
func TestUnkept(t *testing.T) {
	st := view.StateSeen{Flow: "a", Why: "another process leads", Leader: &view.Node{Address: "10.0.0.2:9201"}}
	for scheme, want := range map[string]string{"http": "--url http://10.0.0.2:9201", "https": "--url https://10.0.0.2:9201"} {
		var e *Error
		if err := unkept(st, scheme); !errors.As(err, &e) || e.Hint() != want {
			t.Errorf("asked by %s: %v, want the hint %s", scheme, err, want)
		}
	}
	st.Leader = nil
	var e *Error
	if err := unkept(st, "https"); err == nil || errors.As(err, &e) {
		t.Errorf("while nobody leads: %v, want an error without a hint", err)
	}
	st.Here = true
	if err := unkept(st, "https"); err != nil {
		t.Errorf("who keeps it: %v", err)
	}
}

// TestAskUnreachable: the hint of an address that nobody answers at keeps its scheme, and
// names no password.
func TestAskUnreachable(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	for scheme, want := range map[string]string{
		"http":  "--url http://HOST:PORT of the process that keeps flows; laminar status names it",
		"https": "--url https://HOST:PORT of the process that keeps flows; laminar status names it",
	} {
		address := url.URL{Scheme: scheme, Host: away.Listener.Addr().String(), User: url.UserPassword("reader", "secret")}
		_, err := Ask(t.Context(), address, "", nil)
		var e *Error
		if !errors.As(err, &e) || e.Hint() != want {
			t.Errorf("%s: %v, want the hint %s", scheme, err, want)
		}
	}
}
