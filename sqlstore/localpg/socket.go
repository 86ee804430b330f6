package localpg

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
)

// tempSocketPattern names socket directories outside the data directory.
const tempSocketPattern = "/tmp/laminar-*"

// chooseSocketDir returns the directory of the server's socket: run in the data
// directory if the path is short enough; else the one that an earlier start
// made in /tmp, if it is still ours; else a new one there.
func chooseSocketDir(l layout, who account) (string, error) {
	if len(socketPath(l.runDir())) <= maxSocketPath {
		return l.runDir(), nil
	}
	if last, err := l.readAddress(); err == nil && isTemp(last.SocketDir) && ownedBy(last.SocketDir, who) {
		return last.SocketDir, nil
	}
	dir, err := os.MkdirTemp(filepath.Dir(tempSocketPattern), filepath.Base(tempSocketPattern)) // mode 0700
	if err != nil {
		return "", fmt.Errorf("create socket directory: %w", err)
	}
	made, err := openFolder(dir, uid())
	if err == nil {
		err = errors.Join(made.give(who), made.close())
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("create socket directory: %w", err), os.Remove(dir))
	}
	return dir, nil
}

// removeSocketDir removes a socket directory outside the data directory.
func removeSocketDir(l layout, dir string) error {
	if dir == "" || dir == l.runDir() {
		return nil
	}
	return os.RemoveAll(dir)
}

func socketPath(dir string) string { return filepath.Join(dir, ".s.PGSQL."+socketPort) }

func isTemp(dir string) bool {
	match, err := filepath.Match(tempSocketPattern, dir)
	return err == nil && match
}

// ownedBy says whether dir is a real directory that only the account can
// enter. Anyone can make a name in /tmp.
func ownedBy(dir string, who account) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	want := uint32(os.Geteuid())
	if who.credential != nil {
		want = who.credential.Uid
	}
	return ok && stat.Uid == want
}

// connString is the URL of the database behind a socket, as pgx and libpq read
// it.
func connString(password, socketDir string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(roleName, password),
		Path:     "/" + databaseName,
		RawQuery: url.Values{"host": {socketDir}, "port": {socketPort}}.Encode(),
	}
	return u.String()
}
