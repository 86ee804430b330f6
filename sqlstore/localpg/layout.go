package localpg

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	roleName     = "laminar" // the cluster's superuser
	databaseName = "laminar"
	socketPort   = "5432" // only part of the socket's name

	// maxSocketPath is what fits into sun_path on every system, with its
	// terminating zero: 108 bytes on Linux, 104 elsewhere.
	maxSocketPath = 103
)

// layout names the files of a data directory. What Laminar itself reads and
// writes there it opens through home, by the names below.
type layout struct {
	dir  string  // absolute
	home *folder // the directory itself; nil until open
}

// Names in the data directory.
const (
	lockName     = "laminar.lock"
	passwordName = "password"
	addressName  = "postgres.json"
	logName      = "postgres.log"
	clusterName  = "postgres"
	newName      = "postgres.new" // a cluster that initdb has not finished
	runName      = "run"
)

func newLayout(dir string) (layout, error) {
	if dir == "" {
		return layout{}, errors.New("no data directory given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return layout{}, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return layout{dir: abs}, nil
}

func (l layout) passwordFile() string { return filepath.Join(l.dir, passwordName) }
func (l layout) addressFile() string  { return filepath.Join(l.dir, addressName) }
func (l layout) logFile() string      { return filepath.Join(l.dir, logName) }
func (l layout) cluster() string      { return filepath.Join(l.dir, clusterName) }
func (l layout) newCluster() string   { return filepath.Join(l.dir, newName) }
func (l layout) runDir() string       { return filepath.Join(l.dir, runName) }
func (l layout) pidFile() string      { return filepath.Join(l.cluster(), "postmaster.pid") }

// hasCluster says whether initdb has completed here.
func (l layout) hasCluster() bool {
	_, err := os.Stat(filepath.Join(l.cluster(), "PG_VERSION"))
	return err == nil
}

// open makes the data directory if it is missing, and opens it for its owner:
// root or us (T1).
func (l *layout) open() error {
	if err := l.create(os.Geteuid() == 0); err != nil {
		return err
	}
	home, err := openFolder(l.dir, 0, uid())
	if err != nil {
		return err
	}
	l.home = home
	return nil
}

// close gives the data directory back.
func (l layout) close() error {
	if l.home == nil {
		return nil
	}
	return l.home.close()
}

// create makes the data directory and what is missing above it. As root they
// can be entered, not listed, by others, because the server is another user;
// what is secret in them has modes of its own.
func (l layout) create(forOther bool) error {
	mode := fs.FileMode(0o700)
	if forOther {
		mode = 0o711
	}
	var missing []string
	for dir := l.dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, dir)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := os.Mkdir(missing[i], mode)
		if errors.Is(err, fs.ErrExist) {
			continue // another process was quicker; open looks at the owner
		}
		if err == nil {
			err = widen(missing[i], mode)
		}
		if err != nil {
			return &DirectoryError{Path: l.dir, Err: err}
		}
	}
	return nil
}

// widen gives a directory that was just made its mode, whatever the umask is.
func widen(path string, mode fs.FileMode) error {
	f, err := openFolder(path, uid())
	if err != nil {
		return err
	}
	return errors.Join(f.root.Chmod(".", mode), f.close())
}

// address is how the server of a data directory is reached, without its
// password.
type address struct {
	SocketDir string `json:"socket_dir"`
}

func (l layout) readAddress() (address, error) {
	var a address
	text, err := l.home.read(addressName)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("read %s: %w", l.addressFile(), err)
	}
	return a, nil
}

func (l layout) writeAddress(a address) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return l.home.replace(addressName, append(text, '\n'), account{})
}

// password returns the stored password, and makes one if there is none yet.
func (l layout) password() (string, error) {
	text, err := l.home.read(passwordName)
	switch {
	case err == nil:
		return strings.TrimSpace(string(text)), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read the private PostgreSQL's password: %w", err)
	case l.hasCluster():
		return "", fmt.Errorf("the file %s with the private PostgreSQL's password is gone: put it back", l.passwordFile())
	}
	word := rand.Text()
	if err := l.home.replace(passwordName, []byte(word+"\n"), account{}); err != nil {
		return "", fmt.Errorf("store the private PostgreSQL's password: %w", err)
	}
	return word, nil
}

// closePassword takes the password file away from others who could read it,
// and says what mode it had, 0 when there was nothing to do.
func (l layout) closePassword() (had fs.FileMode, err error) {
	file, err := l.home.file(passwordName, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the private PostgreSQL's password: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return 0, err
	}
	return info.Mode().Perm(), file.Chmod(0o600)
}
