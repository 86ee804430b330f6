package flowstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"laminar/server/view"
)

// timeout is how long a process may take to answer.
const timeout = time.Minute

// Error is why there is no answer, and what to do about it.
type Error struct {
	err  error
	hint string
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Hint tells what to do instead.
func (e *Error) Hint() string { return e.hint }

// Ask asks the process at an address, with a bearer token unless that is "", for the state
// of a flow. The address may hold user and password, which are in no message. An error says
// whom to ask where the process does not keep the flow.
func Ask(ctx context.Context, address url.URL, token string, params url.Values) (st view.StateSeen, err error) {
	user, base := address.User, &address
	base.User = nil
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("/api/v1/laminar/flow/state").String()+"?"+params.Encode(), nil)
	if err != nil {
		return st, fmt.Errorf("ask %s: %w", base, err)
	}
	if user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the parameters
		}
		return st, &Error{err: fmt.Errorf("ask %s: %w", base, err), hint: "--url " + base.Scheme + "://HOST:PORT of the process that keeps flows; laminar status names it"}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return st, fmt.Errorf("read the answer of %s: %w", base, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if err := json.Unmarshal(text, &st); err != nil {
			return st, fmt.Errorf("%s answers what is no state: %w", base, err)
		}
		return st, unkept(st, base.Scheme)
	case http.StatusUnauthorized, http.StatusForbidden:
		return st, &Error{
			err:  fmt.Errorf("%s answers %s", base, resp.Status),
			hint: "--token-file FILE with a token of the scope read (laminar token new), or user and password in --url",
		}
	}
	var refusal view.Refusal
	if err := json.Unmarshal(text, &refusal); err != nil || refusal.Error == "" {
		return st, fmt.Errorf("%s answers %s", base, resp.Status)
	}
	if refusal.Hint == "" {
		return st, errors.New(refusal.Error)
	}
	return st, &Error{err: errors.New(refusal.Error), hint: refusal.Hint}
}

// unkept is the error of a process that does not keep the flow, with whom to ask by the same
// scheme, since processes of an installation are served alike; nil for one that does.
func unkept(st view.StateSeen, scheme string) error {
	if st.Here {
		return nil
	}
	err := fmt.Errorf("state of %s: %s", st.Flow, st.Why)
	if st.Leader == nil || st.Leader.Address == "" {
		return err
	}
	return &Error{err: err, hint: "--url " + scheme + "://" + st.Leader.Address}
}
