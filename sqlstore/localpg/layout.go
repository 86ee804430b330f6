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

// layout names the files of a data directory.
type layout struct{ dir string } // absolute

func newLayout(dir string) (layout, error) {
	if dir == "" {
		return layout{}, errors.New("no data directory given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return layout{}, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return layout{abs}, nil
}

func (l layout) lockFile() string     { return filepath.Join(l.dir, "laminar.lock") }
func (l layout) passwordFile() string { return filepath.Join(l.dir, "password") }
func (l layout) addressFile() string  { return filepath.Join(l.dir, "postgres.json") }
func (l layout) logFile() string      { return filepath.Join(l.dir, "postgres.log") }
func (l layout) cluster() string      { return filepath.Join(l.dir, "postgres") }
func (l layout) newCluster() string   { return filepath.Join(l.dir, "postgres.new") }
func (l layout) runDir() string       { return filepath.Join(l.dir, "run") }
func (l layout) pidFile() string      { return filepath.Join(l.cluster(), "postmaster.pid") }

// hasCluster says whether initdb has completed here.
func (l layout) hasCluster() bool {
	_, err := os.Stat(filepath.Join(l.cluster(), "PG_VERSION"))
	return err == nil
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
		if err := os.Mkdir(missing[i], mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("create data directory: %w", err)
		}
		if err := os.Chmod(missing[i], mode); err != nil { // whatever the umask is
			return fmt.Errorf("create data directory: %w", err)
		}
	}
	return nil
}

// address is how the server of a data directory is reached, without its
// password.
type address struct {
	SocketDir string `json:"socket_dir"`
}

func (l layout) readAddress() (address, error) {
	var a address
	text, err := os.ReadFile(l.addressFile())
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
	return replaceFile(l.addressFile(), append(text, '\n'))
}

// password returns the stored password, and makes one if there is none yet.
func (l layout) password() (string, error) {
	text, err := os.ReadFile(l.passwordFile())
	switch {
	case err == nil:
		return strings.TrimSpace(string(text)), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read the private PostgreSQL's password: %w", err)
	case l.hasCluster():
		return "", fmt.Errorf("the file %s with the private PostgreSQL's password is gone: put it back", l.passwordFile())
	}
	word := rand.Text()
	if err := replaceFile(l.passwordFile(), []byte(word+"\n")); err != nil {
		return "", fmt.Errorf("store the private PostgreSQL's password: %w", err)
	}
	return word, nil
}

// replaceFile writes a file that only its owner can read, all or nothing.
func replaceFile(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
