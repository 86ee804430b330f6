package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

// Running returns the connection string, with the password, of the private
// PostgreSQL that a Laminar runs in the data directory, or a *NotRunningError.
// It takes no lock and changes nothing. Only the OS user that runs that
// Laminar, and root, can read the password.
func Running(dir string) (url string, err error) {
	l, err := newLayout(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &NotRunningError{Dir: dir}
	}
	if err != nil {
		return "", fmt.Errorf("find the private PostgreSQL in %s: %w", dir, err)
	}
	// The directory may be another user's, since root looks at every user's Laminar.
	// Its files must then be that user's. Otherwise a user could link a file here that
	// only root can read, and root would show its contents as a password.
	if l.home, err = checkedFolder(l.dir, info, []uint32{ownerOf(info)}); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	addr, err := l.readAddress()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &NotRunningError{Dir: dir}
	case err != nil:
		return "", fmt.Errorf("find the private PostgreSQL in %s: %w", dir, err)
	}
	word, err := l.home.read(passwordName)
	if err != nil {
		return "", fmt.Errorf("find the private PostgreSQL in %s: %w", dir, err)
	}
	if err := knock(socketPath(addr.SocketDir)); err != nil {
		return "", &NotRunningError{Dir: dir, Err: err}
	}
	return connString(strings.TrimSpace(string(word)), addr.SocketDir), nil
}

// knock connects to the socket and hangs up.
func knock(path string) error {
	conn, err := net.DialTimeout("unix", path, 5*time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}
