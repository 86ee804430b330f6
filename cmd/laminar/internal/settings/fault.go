package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"laminar/flownode/nearest"
)

// Fault says that what was set cannot be meant.
type Fault struct {
	err  error
	hint string
}

func (e *Fault) Error() string { return e.err.Error() }
func (e *Fault) Unwrap() error { return e.err }

// Hint tells what to type instead, "" where that is not known.
func (e *Fault) Hint() string { return e.hint }

func faultf(format string, args ...any) error { return &Fault{err: fmt.Errorf(format, args...)} }

// Lines is several faults, one to a line; never empty.
type Lines []string

func (e Lines) Error() string { return strings.Join(e, "\n") }

// MissingFile makes an error about a file that was named and is not there a
// Fault, with the file beside it that was perhaps meant.
func MissingFile(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	entries, dirErr := os.ReadDir(dir)
	if dirErr != nil {
		return &Fault{err: err, hint: "ls " + filepath.Dir(dir)}
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if near := nearest.Name(filepath.Base(path), names); near != "" {
		return &Fault{err: err, hint: filepath.Join(dir, near)}
	}
	return &Fault{err: err, hint: "ls " + dir}
}
