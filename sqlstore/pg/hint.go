package pg

import "fmt"

// hinted is an error for a person, with what to do about it.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// Hint tells the user what to type.
func (e *hinted) Hint() string { return e.hint }

// WithHint is err for a person, with what to type instead, which the command line
// prints below it.
func WithHint(err error, format string, args ...any) error {
	return &hinted{err: err, hint: fmt.Sprintf(format, args...)}
}
