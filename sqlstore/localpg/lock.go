package localpg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lock is the ownership of a data directory. The kernel gives it up when the
// process ends, however that happens.
type lock struct{ file *os.File }

// takeLock makes this process the owner of the data directory, or returns a
// *LockedError. The file is closed on exec, so a PostgreSQL that outlives
// Laminar does not keep the lock.
func takeLock(l layout) (*lock, error) {
	file, err := l.home.file(lockName, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		text, _ := io.ReadAll(file) // without the process id the message is poorer, not wrong
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return nil, errors.Join(&LockedError{Dir: l.dir, PID: pid}, file.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
	}
	if err := errors.Join(file.Truncate(0), writeAt(file, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("write process id to %s: %w", file.Name(), err), file.Close())
	}
	return &lock{file}, nil
}

// release gives the directory up. The file stays: removing it would let two
// processes hold locks on two files of the same name.
func (l *lock) release() error { return l.file.Close() }

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}
