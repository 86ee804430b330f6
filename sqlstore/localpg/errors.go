package localpg

import (
	"fmt"
	"strings"
)

// LockedError says that another Laminar owns the data directory. Nothing was
// changed.
type LockedError struct {
	Dir string
	PID int // process id of the owner; 0 if it has not written it yet
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data directory %s is in use by another laminar process", e.Dir)
	}
	return fmt.Sprintf("data directory %s is in use by laminar process %d", e.Dir, e.PID)
}

// Hint tells the user what to do instead.
func (e *LockedError) Hint() string {
	if e.PID == 0 {
		return "another --data-dir, or stop the other process"
	}
	return fmt.Sprintf("another --data-dir, or stop the other process: kill %d", e.PID)
}

// UntrustedError says that another OS user owns, or can change, a path that Laminar
// would use as its own: the data directory, or a file or directory in it. Nothing
// was changed.
type UntrustedError struct {
	Path string
	Why  string // "belongs to alice", "is a link", ...
	Do   string // what to type instead
}

func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s %s; Laminar uses only files and directories that root or its own user controls", e.Path, e.Why)
}

// Hint tells the user what to do instead.
func (e *UntrustedError) Hint() string { return e.Do }

// DirectoryError says that the data directory cannot be one.
type DirectoryError struct {
	Path string
	Err  error
}

func (e *DirectoryError) Error() string { return fmt.Sprintf("data directory %s: %v", e.Path, e.Err) }

// Unwrap returns why not.
func (e *DirectoryError) Unwrap() error { return e.Err }

// Hint tells the user what to type instead.
func (e *DirectoryError) Hint() string {
	return "--data-dir with a directory that exists, or that this user can make"
}

// UnreachableError says that the OS user that PostgreSQL has to run as cannot
// enter the data directory.
type UnreachableError struct {
	Dir     string
	User    string
	Blocked string // the outermost directory the user cannot enter
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("--data-dir %s: PostgreSQL does not run as root and the OS user %s cannot enter %s", e.Dir, e.User, e.Blocked)
}

// Hint tells the user what to type instead.
func (e *UnreachableError) Hint() string {
	return fmt.Sprintf("--data-dir /var/lib/laminar, or chmod o+x %s", e.Blocked)
}

// NotRunningError says that no PostgreSQL answers in the data directory.
type NotRunningError struct {
	Dir string
	Err error // what was tried last; may be nil
}

func (e *NotRunningError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("no private PostgreSQL is running in %s", e.Dir)
	}
	return fmt.Sprintf("no private PostgreSQL is running in %s: %v", e.Dir, e.Err)
}

// Unwrap returns what was tried last.
func (e *NotRunningError) Unwrap() error { return e.Err }

// Hint tells the user what to type instead.
func (e *NotRunningError) Hint() string {
	return fmt.Sprintf("laminar serve --data-dir %s, or give the --data-dir or --database-url of one that runs", e.Dir)
}

// StartError says that the server, or initdb, ended instead of becoming ready.
type StartError struct {
	Program string   // postgres or initdb
	Dir     string   // the data directory
	Log     string   // the file to read; empty if Tail is all there is
	Tail    []string // the last lines it wrote
	Err     error
}

func (e *StartError) Error() string {
	text := fmt.Sprintf("%s: %v", e.Program, e.Err)
	if len(e.Tail) > 0 {
		text += ": " + strings.Join(e.Tail, " | ")
	}
	return text
}

// Unwrap returns how the program ended.
func (e *StartError) Unwrap() error { return e.Err }

// Hint tells the user where to read more.
func (e *StartError) Hint() string {
	switch {
	case strings.Contains(strings.Join(e.Tail, " "), "No space left on device"): // both run with LC_ALL=C
		return fmt.Sprintf("df -h %s, then make room, or another --data-dir", e.Dir)
	case e.Log == "":
		return "another --data-dir, or --database-url of a PostgreSQL that runs already"
	}
	return "read " + e.Log
}
